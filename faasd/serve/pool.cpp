#include "faasd/serve/pool.h"

#include <algorithm>
#include <exception>
#include <vector>

#include "faasd/function/bounds.h"

namespace serve {

using instance::Instance;
using instance::Outcome;
using std::chrono::milliseconds;

Pool::Pool(const instance::Workshop& workshop, std::shared_ptr<const instance::Blueprint> blueprint,
           std::shared_ptr<journal::Book> book, PoolTotals& totals, Callbacks callbacks)
    : workshop_(workshop),
      blueprint_(std::move(blueprint)),
      book_(std::move(book)),
      totals_(totals),
      callbacks_(std::move(callbacks)),
      demand_(blueprint_->function.warm) {}

Pool::~Pool() {
  measure(0);
}

void Pool::replace(std::shared_ptr<const instance::Blueprint> blueprint) {
  blueprint_ = std::move(blueprint);
  demand_.set(blueprint_->function.warm);
  pause_.forget();
  end_all("its function was replaced");
}

void Pool::close() {
  closed_ = true;
  end_all("its function is served no more");
}

void Pool::end_all(const std::string& reason) {
  parked_.clear();
  measure(0);
  std::vector<Instance*> all;
  all.reserve(instances_.size());
  for (const auto& [id, instance] : instances_) all.push_back(instance.get());
  for (Instance* instance : all) instance->kill(Outcome::refused, reason);
}

std::unique_ptr<Instance> Pool::take() {
  if (parked_.empty()) return nullptr;
  // The latest: what it needs is in the processor's caches and in memory.
  auto node = instances_.extract(parked_.back());
  parked_.pop_back();
  --totals_.instances;
  measure(memory_bytes_ - std::min(memory_bytes_, memory_of_one_));
  pause_.forget();
  return std::move(node.mapped());
}

bool Pool::is_short() const {
  if (closed_ || !pause_.is_over()) return false;
  return parked_.size() + launching_ < demand_.target(Clock::now());
}

void Pool::add() {
  try {
    const std::string id = blueprint_->launcher->next_id(blueprint_->container.ids);
    instances_.emplace(id, std::make_unique<Instance>(workshop_, blueprint_, book_, id,
                                                      instance::Start::warm, callbacks_for(id)));
  } catch (const std::exception& error) {
    return pause_after(error.what());
  }
  ++launching_;
  ++totals_.launching;
  ++totals_.instances;
}

Instance::Callbacks Pool::callbacks_for(const std::string& id) {
  Instance::Callbacks callbacks;
  callbacks.launched = [this] {
    --launching_;
    --totals_.launching;
    callbacks_.change();
  };
  callbacks.parked = [this, id, began = Clock::now()] { on_parked(id, began); };
  callbacks.ended = [this, id](sys::UniqueFd, const instance::Receipt& receipt) {
    on_ended(id, receipt);
  };
  callbacks.gone = [this, id] {
    // Its callbacks, and with them this very call, go with it: not before the end.
    const auto gone = instances_.extract(id);
    --totals_.instances;
    callbacks_.change();
  };
  return callbacks;
}

void Pool::on_parked(const std::string& id, Clock::time_point began) {
  demand_.filled(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began));
  parked_.push_back(id);
  const std::uint64_t bytes = workshop_.cgroups.memory_bytes(id);
  memory_of_one_ = std::max(memory_of_one_, bytes);
  measure(memory_bytes_ + bytes);
  callbacks_.change();
}

void Pool::on_ended(const std::string& id, const instance::Receipt& receipt) {
  std::erase(parked_, id);
  if (receipt.outcome == Outcome::refused) return;
  pause_after(receipt.reason);
  callbacks_.loss(receipt);
}

void Pool::pause_after(const std::string& reason) {
  workshop_.log.warn("parked_instance_lost", {{"function", blueprint_->function.name},
                                              {"reason", reason},
                                              {"pause_ms", pause_.begin().count()}});
}

void Pool::look() {
  const std::size_t wanted = closed_ ? 0 : demand_.target(Clock::now());
  while (parked_.size() > wanted) drop_one("nobody is expected");
  std::uint64_t bytes = 0;
  for (const std::string& id : parked_) bytes += workshop_.cgroups.memory_bytes(id);
  if (!parked_.empty()) memory_of_one_ = bytes / parked_.size();
  measure(bytes);
}

bool Pool::drop_one(const std::string& reason) {
  if (parked_.empty()) return false;
  const std::string id = parked_.front();
  parked_.pop_front();
  measure(memory_bytes_ - std::min(memory_bytes_, memory_of_one_));
  instances_.at(id)->kill(Outcome::refused, reason);
  return true;
}

void Pool::measure(std::uint64_t bytes) {
  totals_.memory_bytes += bytes - memory_bytes_;
  memory_bytes_ = bytes;
}

}  // namespace serve
