// How many instances of a function should be parked: a fixed number, or what its own traffic asks
// for. Then it is the arrivals in the time that one takes to launch, with room for bursts, for as
// long as the function's own pauses say that another connection is to be expected; else none. Pure
// arithmetic on the times it is given; event-loop thread.
//
// Source of the keep-alive by a histogram of idle times: Shahrad et al., "Serverless in the Wild",
// USENIX ATC 2020.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "faasd/function/function.h"

namespace serve {

class Demand {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Demand(function::Warm warm) : warm_(warm) {}

  void set(function::Warm warm) { warm_ = warm; }
  // A connection that an instance of the pool could serve.
  void arrived(Clock::time_point now);
  // An instance was parked so long after its launch began.
  void filled(std::chrono::microseconds time);

  std::size_t target(Clock::time_point now) const;
  // How long after the latest arrival another one is expected.
  std::chrono::milliseconds keep_alive() const;

 private:
  double rate_at(Clock::time_point now) const;  // arrivals in a second

  function::Warm warm_;
  std::optional<Clock::time_point> latest_;
  double rate_ = 0;                    // at the latest arrival
  std::chrono::microseconds fill_{0};  // moving average
  Clock::time_point window_;           // began with the first arrival in it; as long as a fill
  std::size_t in_window_ = 0;
  double burst_ = 0;                      // the most in a window lately
  std::array<std::uint32_t, 22> idle_{};  // arrivals after a pause of up to 2^i milliseconds
  std::uint32_t idle_total_ = 0;
};

}  // namespace serve
