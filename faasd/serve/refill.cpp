// The part of the Dispatcher that keeps its pools filled: with what connections leave of the
// processors, and within the host's bounds.
#include <algorithm>

#include "faasd/function/bounds.h"
#include "faasd/serve/dispatcher.h"

namespace serve {
namespace {

// A launch keeps the loop and a processor busy: what has just been handed over goes first.
constexpr std::chrono::milliseconds kRefillDelay{5};

}  // namespace

void Dispatcher::have_pool(const ServicePtr& service) {
  const function::Warm& warm = service->blueprint->function.warm;
  if (!service->pool && (warm.automatic || warm.instances > 0)) {
    Pool::Callbacks callbacks;
    // The service has the pool: a strong pointer would be a circle.
    callbacks.change = [this, weak = std::weak_ptr(service)] {
      if (const ServicePtr s = weak.lock()) on_pool_change(s);
    };
    callbacks.loss = [weak = std::weak_ptr(service)](const instance::Receipt& receipt) {
      if (const ServicePtr s = weak.lock()) on_loss(*s, receipt);
    };
    service->pool = std::make_unique<Pool>(workshop_, service->blueprint, service->book, pooled_,
                                           std::move(callbacks));
    if (!look_)
      look_ = workshop_.loop.after(function::bounds::kPoolLook, [this] { look_at_pools(); });
  }
  if (service->pool) look_for_short(service);
}

void Dispatcher::have_template(const ServicePtr& service) {
  if (service->branched_of || service->blueprint->function.mode != function::kBranched) return;
  const auto change = [this, weak = std::weak_ptr(service)] {
    if (const ServicePtr s = weak.lock()) on_template_change(s);
  };
  service->branched_of =
      std::make_unique<Template>(workshop_, service->blueprint, service->book, pooled_, change);
}

void Dispatcher::want_template(const ServicePtr& service) {
  if (!service->branched_of || service->blueprint->function.mode != function::kBranched) return;
  service->branched_of->want();
  if (service->branched_of->is_wanted()) look_for_short(service);
}

void Dispatcher::on_template_change(const ServicePtr& service) {
  if (service->pool) service->pool->begin_with(beginning_of(*service));
  drop_large_snapshots();
  // The version that it was made of may have been replaced meanwhile.
  if (service->branched_of->is_wanted()) look_for_short(service);
  workshop_.loop.post([this, service] { check_drained(service); });
}

// Who has much goes first, or one function could leave no room for all others. What instances still
// have of it goes with them.
void Dispatcher::drop_large_snapshots() {
  std::uint64_t over =
      pooled_.snapshot_bytes - std::min(pooled_.snapshot_bytes, bounds_.snapshot_bytes);
  while (over > 0) {
    const Service* largest = nullptr;
    for (const auto& [name, service] : services_) {
      if (!service->branched_of || service->branched_of->memory_bytes() == 0) continue;
      if (!largest || service->branched_of->memory_bytes() > largest->branched_of->memory_bytes())
        largest = service.get();
    }
    if (!largest) return;
    over -= std::min(over, largest->branched_of->memory_bytes());
    give_up_template(*largest, "snapshots take too much of the host's memory");
  }
}

void Dispatcher::give_up_template(const Service& service, const std::string& reason) {
  service.branched_of->give_up(reason);
  if (service.pool) service.pool->begin_with(beginning_of(service));
}

// What a container has begun with may be the fault.
void Dispatcher::on_loss(const Service& service, const instance::Receipt& receipt) {
  if (!service.branched_of || !receipt.branched) return;
  give_up_template(service, "a container that began with it failed: " + receipt.reason);
}

const std::shared_ptr<const instance::Blueprint>& Dispatcher::beginning_of(const Service& service) {
  return service.branched_of ? service.branched_of->blueprint() : service.blueprint;
}

void Dispatcher::on_pool_change(const ServicePtr& service) {
  note_load(*service);
  look_for_short(service);
  workshop_.loop.post([this, service] {
    start_waiting();
    check_drained(service);
  });
}

void Dispatcher::look_for_short(const ServicePtr& service) {
  if (!std::exchange(service->looked_for, true)) short_.push_back(service);
  refill_soon();
}

void Dispatcher::refill_soon() {
  if (refill_ || short_.empty()) return;
  refill_ = workshop_.loop.after(kRefillDelay, [this] {
    refill_.reset();
    refill();
  });
}

// Functions take turns. None is launched while a connection waits for its own launch: its end, or
// the next look, brings us back.
void Dispatcher::refill() {
  while (!short_.empty() && host_.launching == 0 && pooled_.launching < bounds_.filling) {
    const ServicePtr service = short_.front();
    short_.pop_front();
    service->looked_for = add_to(*service);
    if (service->looked_for) short_.push_back(service);
  }
}

// False if it wants nothing now, or there is no room for it.
bool Dispatcher::add_to(const Service& service) {
  if (pooled_.instances >= bounds_.parked) return false;
  if (service.branched_of && service.branched_of->is_wanted() &&
      pooled_.snapshot_bytes < bounds_.snapshot_bytes) {
    service.branched_of->make();
    return true;
  }
  if (!service.pool || !service.pool->is_short() ||
      pooled_.memory_bytes + service.pool->memory_of_one() > bounds_.parked_bytes) {
    return false;
  }
  service.pool->add();
  return true;
}

void Dispatcher::look_at_pools() {
  look_.reset();
  Pool* largest = nullptr;
  for (const auto& [name, service] : services_) {
    if (!service->pool) continue;
    service->pool->look();
    note_load(*service);
    look_for_short(service);
    if (!largest || service->pool->memory_bytes() > largest->memory_bytes()) {
      largest = service->pool.get();
    }
    if (!look_)
      look_ = workshop_.loop.after(function::bounds::kPoolLook, [this] { look_at_pools(); });
  }
  while (largest != nullptr && pooled_.memory_bytes > bounds_.parked_bytes &&
         largest->drop_one("parked instances take too much of the host's memory")) {
  }
}

}  // namespace serve
