#include "faasd/serve/demand.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "faasd/function/bounds.h"

namespace serve {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// The rate forgets over so long: a function's habits of the last half minute.
constexpr double kMemorySeconds = 10;
// With fewer pauses seen nothing is known of its habits …
constexpr std::uint32_t kEnoughPauses = 4;
// … and with so many all counts are halved, so that it may change them.
constexpr std::uint32_t kManyPauses = 512;
// The part of the pauses that the pool outlives.
constexpr double kCovered = 0.95;
// Before the first launch has said how long one takes.
constexpr milliseconds kFirstFill{50};
// Of a burst an eighth is forgotten with each window that is smaller.
constexpr double kForgotten = 1.0 / 8;

double seconds(Demand::Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

double Demand::rate_at(Clock::time_point now) const {
  return latest_ ? rate_ * std::exp(-seconds(now - *latest_) / kMemorySeconds) : 0;
}

void Demand::arrived(Clock::time_point now) {
  if (latest_) {
    const auto pause = std::chrono::duration_cast<milliseconds>(now - *latest_).count();
    const auto bucket =
        static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(std::max(pause, {}))));
    ++idle_[std::min(bucket, idle_.size() - 1)];
    if (++idle_total_ >= kManyPauses) {
      idle_total_ = 0;
      for (std::uint32_t& count : idle_) idle_total_ += count /= 2;
    }
  }
  rate_ = rate_at(now) + 1 / kMemorySeconds;
  latest_ = now;
  const Clock::duration window = fill_ > microseconds(0) ? Clock::duration(fill_) : kFirstFill;
  if (in_window_ == 0 || now - window_ > window) {
    const auto last = static_cast<double>(in_window_);
    burst_ = std::max(last, burst_ - (burst_ - last) * kForgotten);
    window_ = now;
    in_window_ = 0;
  }
  ++in_window_;
}

void Demand::filled(microseconds time) {
  fill_ = fill_ > microseconds(0) ? fill_ + (time - fill_) / 8 : time;
}

milliseconds Demand::keep_alive() const {
  if (idle_total_ < kEnoughPauses) return function::bounds::kFirstKeepAlive;
  const double enough = kCovered * idle_total_;
  double covered = 0;
  std::size_t bucket = 0;
  while (bucket + 1 < idle_.size() && (covered += idle_[bucket]) < enough) ++bucket;
  const milliseconds pause{1LL << bucket};
  // Who comes back that seldom is not worth the memory.
  if (pause > function::bounds::kMaxKeepAlive) return function::bounds::kMinKeepAlive;
  return std::max<milliseconds>(pause, function::bounds::kMinKeepAlive);
}

std::size_t Demand::target(Clock::time_point now) const {
  if (!warm_.automatic) return warm_.instances;
  if (!latest_ || now - *latest_ > keep_alive()) return 0;
  const double expected = rate_at(now) * seconds(fill_ > microseconds(0) ? fill_ : kFirstFill);
  const double burst = std::max({burst_, static_cast<double>(in_window_), std::sqrt(expected)});
  const double wanted = std::round(expected + burst);
  return std::clamp<std::size_t>(static_cast<std::size_t>(wanted), 1, function::bounds::kMaxWarm);
}

}  // namespace serve
