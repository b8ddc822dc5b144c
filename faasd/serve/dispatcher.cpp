#include "faasd/serve/dispatcher.h"

#include <sys/epoll.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "oci/sys/error.h"
#include "oci/sys/socket.h"

namespace serve {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

microseconds since(sys::EventLoop::Clock::time_point start) {
  return std::chrono::duration_cast<microseconds>(sys::EventLoop::Clock::now() - start);
}

// The moving average behind Retry-After: one connection in eight makes it follow within a few.
milliseconds follow(milliseconds mean, microseconds latest) {
  return mean + (std::chrono::duration_cast<milliseconds>(latest) - mean) / 8;
}

// The receipt of a connection that no container has had.
instance::Receipt receipt_of(const instance::Blueprint& blueprint, microseconds queued,
                             const Client& client) {
  instance::Receipt receipt;
  receipt.started_at = std::chrono::system_clock::now() - queued;
  receipt.queue = queued;
  receipt.traffic = sys::traffic_of(client.socket.get());
  receipt.function = blueprint.function.name;
  receipt.version = blueprint.function.version;
  receipt.image = blueprint.image->digest;
  return receipt;
}

}  // namespace

Dispatcher::Dispatcher(const instance::Workshop& workshop, HostBounds bounds,
                       const function::Subnet& subnet)
    : workshop_(workshop),
      bounds_(bounds),
      closing_(workshop.loop),
      traffic_(workshop.loop, workshop.log, subnet.first(), subnet.last()) {}

Dispatcher::~Dispatcher() {
  traffic_.settle_all();
}

void Dispatcher::install(std::shared_ptr<const instance::Blueprint> blueprint,
                         sys::UniqueFd listener) {
  check_open();
  const std::string name = blueprint->function.name;
  auto service = std::make_shared<Service>();
  service->blueprint = std::move(blueprint);
  service->book = workshop_.journal.book(name);
  service->tally = tallies_.begin(name);
  // The listener lives in the service: a strong pointer would be a circle.
  const auto accept = [this, weak = std::weak_ptr(service)](sys::UniqueFd socket) {
    if (const ServicePtr s = weak.lock()) on_connection(s, {std::move(socket), nullptr, nullptr});
  };
  if (listener) {
    service->listener.emplace(workshop_.loop, workshop_.log, name, std::move(listener), accept);
  }
  services_[name] = service;
  have_template(service);
  have_pool(service);
}

void Dispatcher::call(const std::string& name, Client client) {
  check_open();
  const auto it = services_.find(name);
  if (it == services_.end()) {
    throw sys::Refused(sys::Refusal::not_found, "unknown_function",
                       "function '" + name + "' is not served any more");
  }
  on_connection(it->second, std::move(client));
}

void Dispatcher::stop(const std::string& instance, instance::Outcome outcome,
                      const std::string& reason) {
  const auto it = instances_.find(instance);
  if (it != instances_.end()) it->second->kill(outcome, reason);
}

std::vector<function::Function> Dispatcher::languages() const {
  std::vector<function::Function> found;
  for (const auto& [name, service] : services_) {
    const function::Function& function = service->blueprint->function;
    if (function.language) found.push_back(function);
  }
  return found;
}

void Dispatcher::replace(std::shared_ptr<const instance::Blueprint> blueprint) {
  check_open();
  const ServicePtr& service = services_.at(blueprint->function.name);
  service->blueprint = std::move(blueprint);
  if (service->branched_of) service->branched_of->replace(service->blueprint);
  if (service->pool) service->pool->replace(service->blueprint);
  have_template(service);
  have_pool(service);
}

void Dispatcher::prepare(const std::string& name) {
  const auto it = services_.find(name);
  if (it != services_.end()) want_template(it->second);
}

void Dispatcher::check_open() const {
  if (!closed_) return;
  throw sys::Refused(sys::Refusal::unavailable, "shutting_down", "faasd is shutting down");
}

void Dispatcher::retire(const std::string& name, std::function<void()> drained) {
  const auto it = services_.find(name);
  if (it == services_.end()) return drained();
  const ServicePtr service = it->second;
  tallies_.end(name);
  services_.erase(it);  // perhaps `name` with it
  service->drained = std::move(drained);
  retired_.insert(service);
  if (service->listener) service->listener->accept_pending();
  service->listener.reset();
  if (service->pool) service->pool->close();
  if (service->branched_of) service->branched_of->close();
  check_drained(service);
}

Counts Dispatcher::counts(const std::string& name) const {
  const auto it = services_.find(name);
  if (it == services_.end()) return {};
  const Service& service = *it->second;
  const FunctionLoad load = load_of(service);
  const bool branched = service.blueprint->function.mode == function::kBranched;
  return {load.live, load.parked, load.queued, service.invocations,
          branched ? service.branched_of->describe() : ""};
}

void Dispatcher::drain(std::function<void()> drained) {
  closed_ = true;
  while (!services_.empty()) retire(services_.begin()->first, [] {});
  all_drained_ = std::move(drained);
  check_all_drained();
}

void Dispatcher::end_all(const std::string& reason) {
  const std::list<ServicePtr> waiting = turns_;
  for (const ServicePtr& service : waiting) {
    while (!service->queue.empty()) {
      Waiting first = std::move(service->queue.front());
      service->queue.pop_front();
      --host_.queued;
      note_load(*service);
      first.hangup.reset();
      refuse(service, std::move(first.client), "shutting_down", reason, since(first.since));
    }
    check_drained(service);
  }
  for (const auto& [id, instance] : instances_) instance->kill(instance::Outcome::refused, reason);
}

void Dispatcher::note_load(const Service& service) {
  const FunctionLoad load = load_of(service);
  service.tally->set_load(load.live, load.parked, load.queued);
}

FunctionLoad Dispatcher::load_of(const Service& service) {
  const std::size_t parked = service.pool ? service.pool->parked() : 0;
  return {service.live, service.queue.size(), parked};
}

HostLoad Dispatcher::host_load() const {
  HostLoad load = host_;
  load.parked = pooled_.instances;
  load.listening = services_.size();
  return load;
}

// One that was made for a call of its own cannot have been made before the call.
FunctionLoad Dispatcher::load_for(const Service& service, const Client& client) {
  FunctionLoad load = load_of(service);
  if (client.adapt) load.parked = 0;
  return load;
}

void Dispatcher::on_connection(const ServicePtr& service, Client client) {
  ++service->invocations;
  if (service->pool && !client.adapt) service->pool->arrived();
  const function::Limits& limits = service->blueprint->function.limits;
  switch (admit(limits, load_for(*service, client), host_load(), bounds_)) {
    case Decision::run:
      return start(service, std::move(client), microseconds(0));
    case Decision::wait:
      return enqueue(service, std::move(client));
    case Decision::refuse:
      return refuse(service, std::move(client), "no_capacity",
                    "function '" + service->blueprint->function.name +
                        "' has all its instances and its queue full",
                    microseconds(0));
  }
}

void Dispatcher::enqueue(const ServicePtr& service, Client client) {
  const auto entry = service->queue.emplace(service->queue.end());
  ++host_.queued;
  note_load(*service);
  entry->since = Clock::now();
  entry->client = std::move(client);
  const auto leave = [this, service, entry] {
    Waiting waiting = std::move(*entry);
    service->queue.erase(entry);
    --host_.queued;
    note_load(*service);
    waiting.hangup.reset();
    return waiting;
  };
  entry->timeout = workshop_.loop.after(
      service->blueprint->function.limits.queue_timeout, [this, service, leave] {
        Waiting waiting = leave();
        refuse(service, std::move(waiting.client), "queue_timeout",
               "function '" + service->blueprint->function.name + "' had no room for too long",
               since(waiting.since));
        check_drained(service);
      });
  // No events asked for: only a client that is completely gone wakes us.
  entry->hangup = workshop_.loop.watch(entry->client.socket.get(), 0, [this, service, leave](auto) {
    const Waiting waiting = leave();
    instance::Receipt receipt =
        receipt_of(*service->blueprint, since(waiting.since), waiting.client);
    receipt.reason = "the client left while it waited";
    record(*service, waiting.client, receipt);
    check_drained(service);
  });
  if (!std::exchange(service->in_turn, true)) turns_.push_back(service);
}

// Functions take turns, so that one with a long queue does not starve the others.
void Dispatcher::start_waiting() {
  std::size_t unable = 0;  // in a row
  while (unable < turns_.size()) {
    const ServicePtr service = turns_.front();
    turns_.pop_front();
    if (service->queue.empty()) {
      service->in_turn = false;
      continue;
    }
    turns_.push_back(service);
    const FunctionLoad load = load_for(*service, service->queue.front().client);
    if (!may_start(service->blueprint->function.limits, load, host_load(), bounds_)) {
      ++unable;
      continue;
    }
    unable = 0;
    Waiting first = std::move(service->queue.front());
    service->queue.pop_front();
    --host_.queued;
    note_load(*service);
    first.hangup.reset();
    first.timeout.reset();
    start(service, std::move(first.client), since(first.since));
  }
}

void Dispatcher::start(const ServicePtr& service, Client client, microseconds queued) {
  std::unique_ptr<instance::Instance> parked = take_parked(service, client);
  start(service, std::move(client), queued, std::move(parked));
}

std::unique_ptr<instance::Instance> Dispatcher::take_parked(const ServicePtr& service,
                                                            const Client& client) {
  if (!service->pool || client.adapt) return nullptr;
  look_for_short(service);
  return service->pool->take();
}

void Dispatcher::start(const ServicePtr& service, Client client, microseconds queued,
                       std::unique_ptr<instance::Instance> parked) {
  const instance::Blueprint& blueprint = *service->blueprint;
  runtime::Launcher& launcher = *blueprint.launcher;
  const std::string id = parked ? parked->id() : launcher.next_id(blueprint.container.ids);
  sys::Connection connection;
  if (!client.caller) connection = traffic_.expect(client.socket.get());
  if (client.caller) client.caller->on_start(id);
  instance::Instance::Callbacks callbacks = callbacks_for(service, id, client, connection);
  std::unique_ptr<instance::Instance> instance = std::move(parked);
  try {
    if (instance) {
      instance->report_to(std::move(callbacks));
    } else {
      instance = launch(service, id, client, std::move(callbacks));
    }
  } catch (const std::exception& error) {
    instance::Receipt receipt = receipt_of(*service->blueprint, queued, client);
    receipt.instance = id;
    receipt.launcher = launcher.name();
    receipt.outcome = instance::Outcome::launch_failed;
    receipt.branched = !client.adapt && beginning_of(*service)->container.snapshot;
    receipt.reason = error.what();
    receipt.summary =
        "its container could not be started; `faas receipts " + receipt.function + "` says why";
    on_ended(service, connection, std::move(client), std::move(receipt));
    return check_drained(service);
  }
  ++host_.instances;
  ++service->live;
  note_load(*service);
  instance::Instance& started = *instances_.emplace(id, std::move(instance)).first->second;
  started.serve(std::move(client.socket), queued);
}

std::unique_ptr<instance::Instance> Dispatcher::launch(const ServicePtr& service,
                                                       const std::string& id, const Client& client,
                                                       instance::Instance::Callbacks callbacks) {
  std::shared_ptr<const instance::Blueprint> blueprint;
  if (client.adapt) {
    auto adapted = std::make_shared<instance::Blueprint>(*service->blueprint);
    client.adapt(*adapted);
    blueprint = std::move(adapted);
  } else {
    blueprint = beginning_of(*service);
    want_template(service);
  }
  auto instance =
      std::make_unique<instance::Instance>(workshop_, std::move(blueprint), service->book, id,
                                           instance::Start::cold, std::move(callbacks));
  ++host_.launching;
  return instance;
}

instance::Instance::Callbacks Dispatcher::callbacks_for(const ServicePtr& service,
                                                        const std::string& id, const Client& client,
                                                        const sys::Connection& connection) {
  instance::Instance::Callbacks callbacks;
  if (client.caller) {
    callbacks.output = [caller = client.caller](instance::Stream stream, std::string_view bytes) {
      caller->on_output(stream, bytes);
    };
  }
  callbacks.launched = [this] {
    --host_.launching;
    workshop_.loop.post([this] { start_waiting(); });
    refill_soon();
  };
  callbacks.ended = [this, service, connection, caller = client.caller](
                        sys::UniqueFd c, const instance::Receipt& receipt) {
    on_ended(service, connection, {std::move(c), caller, nullptr}, receipt);
  };
  callbacks.gone = [this, service, id, started = Clock::now()] { on_gone(service, id, started); };
  return callbacks;
}

void Dispatcher::on_ended(const ServicePtr& service, const sys::Connection& connection,
                          Client client, instance::Receipt receipt) {
  if (receipt.branched && receipt.served) service->branched_of->proved();
  if (!client.socket && client.caller) return record(*service, client, std::move(receipt));
  if (!client.socket) {
    return traffic_.settle(connection,
                           [this, service, receipt](const sys::Traffic& traffic) mutable {
                             receipt.traffic = traffic;
                             record(*service, {}, receipt);
                           });
  }
  if (!client.caller) traffic_.forget(connection);
  // It was parked, and no more when the connection came: then this is as if it had not been there.
  const bool lost = receipt.outcome == instance::Outcome::launch_failed ||
                    receipt.outcome == instance::Outcome::oom;
  const bool hung = receipt.outcome == instance::Outcome::timeout && !receipt.served;
  if (lost || hung) on_loss(*service, receipt);
  if ((receipt.warm || receipt.branched) && lost) {
    workshop_.log.warn(receipt.warm ? "parked_instance_lost" : "branch_lost",
                       {{"function", receipt.function},
                        {"instance", receipt.instance},
                        {"reason", receipt.reason}});
    return start(service, std::move(client), receipt.queue + receipt.launch, nullptr);
  }
  receipt.traffic = sys::traffic_of(client.socket.get());
  Answer reason{502,
                "launch_failed",
                "function '" + receipt.function + "': " + receipt.summary,
                receipt.instance,
                {}};
  if (receipt.outcome == instance::Outcome::timeout) {
    reason.status = 504;
    reason.code = "timeout";
  } else if (receipt.outcome == instance::Outcome::refused) {
    reason.status = 503;
    reason.code = "shutting_down";
    reason.retry_after = std::chrono::seconds(1);
  }
  receipt.traffic.out += answer(*service, client, reason);
  record(*service, client, std::move(receipt));
}

void Dispatcher::record(const Service& service, const Client& client,
                        instance::Receipt receipt) const {
  if (client.caller) client.caller->on_end(receipt);
  service.tally->count(receipt);
  instance::record(workshop_.log, *service.book, receipt);
}

void Dispatcher::on_gone(const ServicePtr& service, const std::string& id,
                         Clock::time_point started) {
  // Its callbacks, which hold this very call and `service`, go with it: not before the end.
  const auto gone = instances_.extract(id);
  --host_.instances;
  --service->live;
  note_load(*service);
  service->mean_time = follow(service->mean_time, since(started));
  start_waiting();
  check_drained(service);
}

void Dispatcher::refuse(const ServicePtr& service, Client client, std::string_view code,
                        const std::string& message, microseconds queued) {
  instance::Receipt receipt = receipt_of(*service->blueprint, queued, client);
  receipt.reason = message;
  const std::chrono::seconds later =
      retry_after(service->blueprint->function.limits, load_of(*service), service->mean_time);
  receipt.traffic.out += answer(*service, client, {503, code, message, "", later});
  record(*service, client, std::move(receipt));
}

// How many bytes the client was sent.
std::size_t Dispatcher::answer(const Service& service, Client& client, const Answer& answer) {
  if (client.caller) {
    // An empty socket pair takes it whole, and the caller reads no longer than this end is open.
    sys::send_now(client.socket.get(), to_http(answer));
    client.socket.reset();
    return 0;
  }
  const bool http = service.blueprint->function.protocol == function::Protocol::http;
  return closing_.close(std::move(client.socket), http ? to_http(answer) : "");
}

void Dispatcher::check_drained(const ServicePtr& service) {
  if (!service->drained || service->live > 0 || !service->queue.empty()) return;
  if (service->pool && !service->pool->is_empty()) return;
  if (service->branched_of && !service->branched_of->is_empty()) return;
  std::exchange(service->drained, nullptr)();
  short_.remove(service);  // which would keep it
  retired_.erase(service);
  check_all_drained();
}

void Dispatcher::check_all_drained() {
  if (retired_.empty() && all_drained_) std::exchange(all_drained_, nullptr)();
}

}  // namespace serve
