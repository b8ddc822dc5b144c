#include "faasd/serve/dispatcher.h"

#include <sys/epoll.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "oci/sys/error.h"
#include "oci/sys/random.h"

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
                             const sys::UniqueFd& client) {
  instance::Receipt receipt;
  receipt.started_at = std::chrono::system_clock::now() - queued;
  receipt.queue = queued;
  receipt.traffic = sys::traffic_of(client.get());
  receipt.function = blueprint.function.name;
  receipt.version = blueprint.function.version;
  receipt.image = blueprint.image->digest;
  return receipt;
}

}  // namespace

Dispatcher::Dispatcher(const instance::Workshop& workshop, runtime::Launcher& launcher,
                       HostBounds bounds, const function::Subnet& subnet)
    : workshop_(workshop),
      launcher_(launcher),
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
  service->listener.emplace(workshop_.loop, workshop_.log, name, std::move(listener),
                            [this, weak = std::weak_ptr(service)](sys::UniqueFd client) {
                              if (const ServicePtr s = weak.lock()) {
                                on_connection(s, std::move(client));
                              }
                            });
  services_[name] = std::move(service);
}

void Dispatcher::replace(std::shared_ptr<const instance::Blueprint> blueprint) {
  check_open();
  services_.at(blueprint->function.name)->blueprint = std::move(blueprint);
}

void Dispatcher::check_open() const {
  if (!closed_) return;
  throw sys::Refused(sys::Refusal::unavailable, "shutting_down", "faasd is shutting down");
}

void Dispatcher::retire(const std::string& name, std::function<void()> drained) {
  const auto it = services_.find(name);
  if (it == services_.end()) return drained();
  const ServicePtr service = it->second;
  services_.erase(it);
  tallies_.end(name);
  service->drained = std::move(drained);
  ++draining_;
  service->listener->accept_pending();
  service->listener.reset();
  check_drained(service);
}

Counts Dispatcher::counts(const std::string& name) const {
  const auto it = services_.find(name);
  if (it == services_.end()) return {};
  return {it->second->live, 0, it->second->queue.size(), it->second->invocations};
}

void Dispatcher::drain(std::function<void()> drained) {
  closed_ = true;
  all_drained_ = std::move(drained);
  ++draining_;  // not before every function has been retired
  while (!services_.empty()) retire(services_.begin()->first, [] {});
  --draining_;
  if (draining_ == 0 && all_drained_) std::exchange(all_drained_, nullptr)();
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
  service.tally->set_load(service.live, service.queue.size());
}

FunctionLoad Dispatcher::load_of(const Service& service) const {
  return {service.live, service.queue.size()};
}

void Dispatcher::on_connection(const ServicePtr& service, sys::UniqueFd client) {
  ++service->invocations;
  const function::Limits& limits = service->blueprint->function.limits;
  switch (admit(limits, load_of(*service), host_, bounds_)) {
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

void Dispatcher::enqueue(const ServicePtr& service, sys::UniqueFd client) {
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
  entry->hangup = workshop_.loop.watch(entry->client.get(), 0, [this, service, leave](auto) {
    const Waiting waiting = leave();
    instance::Receipt receipt =
        receipt_of(*service->blueprint, since(waiting.since), waiting.client);
    receipt.reason = "the client left while it waited";
    record(*service, receipt);
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
    if (!may_start(service->blueprint->function.limits, load_of(*service), host_, bounds_)) {
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

void Dispatcher::start(const ServicePtr& service, sys::UniqueFd client, microseconds queued) {
  const std::string id = sys::random_hex(8);
  const Clock::time_point started = Clock::now();
  instance::Instance::Callbacks callbacks;
  callbacks.launched = [this] {
    --host_.launching;
    workshop_.loop.post([this] { start_waiting(); });
  };
  const sys::Connection connection = traffic_.expect(client.get());
  callbacks.ended = [this, service, connection](sys::UniqueFd c, const instance::Receipt& receipt) {
    on_ended(service, connection, std::move(c), receipt);
  };
  callbacks.gone = [this, service, id, started] { on_gone(service, id, started); };
  try {
    const std::shared_ptr<const instance::Blueprint>& blueprint = service->blueprint;
    auto instance = std::make_unique<instance::Instance>(workshop_, launcher_, blueprint,
                                                         service->book, id, std::move(callbacks));
    ++host_.launching;
    ++host_.instances;
    ++service->live;
    note_load(*service);
    instance->serve(std::move(client), queued);
    instances_.emplace(id, std::move(instance));
  } catch (const std::exception& error) {
    instance::Receipt receipt = receipt_of(*service->blueprint, queued, client);
    receipt.instance = id;
    receipt.launcher = launcher_.name();
    receipt.outcome = instance::Outcome::launch_failed;
    receipt.reason = error.what();
    receipt.summary = "the container runtime could not be started; the log of faasd says why";
    on_ended(service, connection, std::move(client), std::move(receipt));
    check_drained(service);
  }
}

void Dispatcher::on_ended(const ServicePtr& service, const sys::Connection& connection,
                          sys::UniqueFd client, instance::Receipt receipt) {
  if (!client) {
    return traffic_.settle(connection,
                           [this, service, receipt](const sys::Traffic& traffic) mutable {
                             receipt.traffic = traffic;
                             record(*service, receipt);
                           });
  }
  traffic_.forget(connection);
  receipt.traffic = sys::traffic_of(client.get());
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
  receipt.traffic.out += answer(*service, std::move(client), reason);
  record(*service, receipt);
}

void Dispatcher::record(const Service& service, const instance::Receipt& receipt) const {
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

void Dispatcher::refuse(const ServicePtr& service, sys::UniqueFd client, std::string_view code,
                        const std::string& message, microseconds queued) {
  instance::Receipt receipt = receipt_of(*service->blueprint, queued, client);
  receipt.reason = message;
  const std::chrono::seconds later =
      retry_after(service->blueprint->function.limits, load_of(*service), service->mean_time);
  receipt.traffic.out += answer(*service, std::move(client), {503, code, message, "", later});
  record(*service, receipt);
}

// How many bytes the client was sent.
std::size_t Dispatcher::answer(const Service& service, sys::UniqueFd client, const Answer& answer) {
  const bool http = service.blueprint->function.protocol == function::Protocol::http;
  return closing_.close(std::move(client), http ? to_http(answer) : "");
}

void Dispatcher::check_drained(const ServicePtr& service) {
  if (!service->drained || service->live > 0 || !service->queue.empty()) return;
  std::exchange(service->drained, nullptr)();
  --draining_;
  if (draining_ == 0 && all_drained_) std::exchange(all_drained_, nullptr)();
}

}  // namespace serve
