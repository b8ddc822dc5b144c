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
    service->pool =
        std::make_unique<Pool>(workshop_, service->blueprint, service->book, pooled_,
                               // The service has the pool: a strong pointer would be a circle.
                               [this, weak = std::weak_ptr(service)] {
                                 if (const ServicePtr s = weak.lock()) on_pool_change(s);
                               });
    if (!look_)
      look_ = workshop_.loop.after(function::bounds::kPoolLook, [this] { look_at_pools(); });
  }
  if (service->pool) look_for_short(service);
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
    Pool& pool = *service->pool;
    const bool room = pooled_.instances < bounds_.parked &&
                      pooled_.memory_bytes + pool.memory_of_one() <= bounds_.parked_bytes;
    service->looked_for = room && pool.is_short();
    if (!service->looked_for) continue;
    short_.push_back(service);
    pool.add();
  }
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
