#include "faasd/serve/dispatcher.h"

#include <sys/epoll.h>

#include <algorithm>

#include "oci/sys/error.h"
#include "oci/sys/random.h"

namespace serve {
namespace {

using std::chrono::milliseconds;

milliseconds since(sys::EventLoop::Clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(sys::EventLoop::Clock::now() - start);
}

// The moving average behind Retry-After: one connection in eight makes it follow within a few.
milliseconds follow(milliseconds mean, milliseconds latest) {
  return mean + (latest - mean) / 8;
}

// What every receipt of a function begins with.
instance::Receipt receipt_of(const instance::Blueprint& blueprint) {
  instance::Receipt receipt;
  receipt.function = blueprint.function.name;
  receipt.version = blueprint.function.version;
  receipt.image = blueprint.image->digest;
  return receipt;
}

}  // namespace

Dispatcher::Dispatcher(const instance::Workshop& workshop, runtime::Launcher& launcher,
                       HostBounds bounds)
    : workshop_(workshop), launcher_(launcher), bounds_(bounds), closing_(workshop.loop) {}

Dispatcher::~Dispatcher() = default;

void Dispatcher::install(std::shared_ptr<const instance::Blueprint> blueprint,
                         sys::UniqueFd listener) {
  check_open();
  const std::string name = blueprint->function.name;
  auto service = std::make_shared<Service>();
  service->blueprint = std::move(blueprint);
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
      first.hangup.reset();
      refuse(service, std::move(first.client), "shutting_down", reason, since(first.since));
    }
    check_drained(service);
  }
  for (const auto& [id, instance] : instances_) instance->kill(instance::Outcome::refused, reason);
}

FunctionLoad Dispatcher::load_of(const Service& service) const {
  return {service.live, service.queue.size()};
}

void Dispatcher::on_connection(const ServicePtr& service, sys::UniqueFd client) {
  ++service->invocations;
  const function::Limits& limits = service->blueprint->function.limits;
  switch (admit(limits, load_of(*service), host_, bounds_)) {
    case Decision::run:
      return start(service, std::move(client), milliseconds(0));
    case Decision::wait:
      return enqueue(service, std::move(client));
    case Decision::refuse:
      return refuse(service, std::move(client), "no_capacity",
                    "function '" + service->blueprint->function.name +
                        "' has all its instances and its queue full",
                    milliseconds(0));
  }
}

void Dispatcher::enqueue(const ServicePtr& service, sys::UniqueFd client) {
  const auto entry = service->queue.emplace(service->queue.end());
  ++host_.queued;
  entry->since = Clock::now();
  entry->client = std::move(client);
  const auto leave = [this, service, entry] {
    Waiting waiting = std::move(*entry);
    service->queue.erase(entry);
    --host_.queued;
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
    log_refusal(*service, "the client left while it waited", since(waiting.since));
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
    first.hangup.reset();
    first.timeout.reset();
    start(service, std::move(first.client), since(first.since));
  }
}

void Dispatcher::start(const ServicePtr& service, sys::UniqueFd client, milliseconds queued) {
  const std::string id = sys::random_hex(8);
  const Clock::time_point started = Clock::now();
  instance::Instance::Callbacks callbacks;
  callbacks.launched = [this] {
    --host_.launching;
    workshop_.loop.post([this] { start_waiting(); });
  };
  callbacks.ended = [this, service](sys::UniqueFd c, const instance::Receipt& receipt) {
    on_ended(service, std::move(c), receipt);
  };
  callbacks.gone = [this, service, id, started] { on_gone(service, id, started); };
  try {
    const std::shared_ptr<const instance::Blueprint>& blueprint = service->blueprint;
    auto instance = std::make_unique<instance::Instance>(workshop_, launcher_, blueprint, id,
                                                         std::move(callbacks));
    ++host_.launching;
    ++host_.instances;
    ++service->live;
    instance->serve(std::move(client), queued);
    instances_.emplace(id, std::move(instance));
  } catch (const std::exception& error) {
    instance::Receipt receipt = receipt_of(*service->blueprint);
    receipt.instance = id;
    receipt.launcher = launcher_.name();
    receipt.queue = queued;
    receipt.outcome = instance::Outcome::launch_failed;
    receipt.reason = error.what();
    receipt.summary = "the container runtime could not be started; the log of faasd says why";
    on_ended(service, std::move(client), receipt);
    check_drained(service);
  }
}

void Dispatcher::on_ended(const ServicePtr& service, sys::UniqueFd client,
                          const instance::Receipt& receipt) {
  instance::log_receipt(workshop_.log, receipt);
  if (!client) return;
  const std::string about = "function '" + receipt.function + "': " + receipt.summary;
  switch (receipt.outcome) {
    case instance::Outcome::timeout:
      return answer(service, std::move(client), {504, "timeout", about, receipt.instance, {}});
    case instance::Outcome::refused:
      return answer(service, std::move(client),
                    {503, "shutting_down", about, receipt.instance, std::chrono::seconds(1)});
    default:
      return answer(service, std::move(client),
                    {502, "launch_failed", about, receipt.instance, {}});
  }
}

void Dispatcher::on_gone(const ServicePtr& service, const std::string& id,
                         Clock::time_point started) {
  // Its callbacks, which hold this very call and `service`, go with it: not before the end.
  const auto gone = instances_.extract(id);
  --host_.instances;
  --service->live;
  service->mean_time = follow(service->mean_time, since(started));
  start_waiting();
  check_drained(service);
}

void Dispatcher::log_refusal(const Service& service, const std::string& reason,
                             milliseconds queued) const {
  instance::Receipt receipt = receipt_of(*service.blueprint);
  receipt.queue = queued;
  receipt.outcome = instance::Outcome::refused;
  receipt.reason = reason;
  instance::log_receipt(workshop_.log, receipt);
}

void Dispatcher::refuse(const ServicePtr& service, sys::UniqueFd client, std::string_view code,
                        const std::string& message, milliseconds queued) {
  log_refusal(*service, message, queued);
  const std::chrono::seconds later =
      retry_after(service->blueprint->function.limits, load_of(*service), service->mean_time);
  answer(service, std::move(client), {503, code, message, "", later});
}

void Dispatcher::answer(const ServicePtr& service, sys::UniqueFd client, const Answer& answer) {
  const bool http = service->blueprint->function.protocol == function::Protocol::http;
  closing_.close(std::move(client), http ? to_http(answer) : "");
}

void Dispatcher::check_drained(const ServicePtr& service) {
  if (!service->drained || service->live > 0 || !service->queue.empty()) return;
  std::exchange(service->drained, nullptr)();
  --draining_;
  if (draining_ == 0 && all_drained_) std::exchange(all_drained_, nullptr)();
}

}  // namespace serve
