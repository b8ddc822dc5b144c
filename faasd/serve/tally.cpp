#include "faasd/serve/tally.h"

#include <algorithm>

namespace serve {
namespace {

// One thread writes: no need for a locked addition.
void add(std::atomic<std::uint64_t>& counter, std::uint64_t amount) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

template <std::size_t N>
std::array<std::uint64_t, N> load(const std::array<std::atomic<std::uint64_t>, N>& counters) {
  std::array<std::uint64_t, N> loaded{};
  for (std::size_t i = 0; i < N; ++i) loaded[i] = counters[i].load(std::memory_order_relaxed);
  return loaded;
}

}  // namespace

void Tally::Histogram::add(std::chrono::microseconds time) noexcept {
  const double seconds = std::chrono::duration<double>(time).count();
  const auto bucket = std::lower_bound(kBuckets.begin(), kBuckets.end(), seconds);
  serve::add(buckets[static_cast<std::size_t>(bucket - kBuckets.begin())], 1);
  serve::add(sum_us, static_cast<std::uint64_t>(time.count()));
}

HistogramCounts Tally::Histogram::counts() const {
  return {load(buckets), static_cast<double>(sum_us.load(std::memory_order_relaxed)) / 1e6};
}

void Tally::count(const instance::Receipt& receipt) noexcept {
  add(outcomes_[static_cast<std::size_t>(receipt.outcome)], 1);
  add(escapes_, receipt.escapes);
  queue_.add(receipt.queue);
  if (!receipt.served) return;
  launch_.add(receipt.launch);
  run_.add(receipt.run);
}

void Tally::set_load(std::size_t live, std::size_t parked, std::size_t queued) noexcept {
  live_.store(live, std::memory_order_relaxed);
  parked_.store(parked, std::memory_order_relaxed);
  queued_.store(queued, std::memory_order_relaxed);
}

FunctionCounts Tally::counts() const {
  FunctionCounts counts;
  counts.outcomes = load(outcomes_);
  counts.queue = queue_.counts();
  counts.launch = launch_.counts();
  counts.run = run_.counts();
  counts.escapes = escapes_.load(std::memory_order_relaxed);
  counts.live = live_.load(std::memory_order_relaxed);
  counts.parked = parked_.load(std::memory_order_relaxed);
  counts.queued = queued_.load(std::memory_order_relaxed);
  return counts;
}

std::shared_ptr<Tally> Tallies::begin(const std::string& function) {
  const std::lock_guard lock(mutex_);
  return tallies_[function] = std::make_shared<Tally>();
}

void Tallies::end(const std::string& function) {
  const std::lock_guard lock(mutex_);
  tallies_.erase(function);
}

std::vector<FunctionCounts> Tallies::counts() const {
  std::vector<FunctionCounts> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, tally] : tallies_) {
    all.push_back(tally->counts());
    all.back().function = name;
  }
  return all;
}

}  // namespace serve
