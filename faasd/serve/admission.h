// Whether a connection may run now, waits, or is refused: pure decisions on counts, no sockets and
// no clock. The Dispatcher keeps the counts.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "faasd/function/function.h"

namespace serve {

// Of one function.
struct FunctionLoad {
  std::size_t live = 0;    // instances that are not gone
  std::size_t queued = 0;  // connections that wait
  std::size_t parked = 0;  // instances that wait
};

// Of the whole daemon.
struct HostLoad {
  std::size_t launching = 0;
  std::size_t instances = 0;
  std::size_t queued = 0;
  std::size_t parked = 0;
  std::size_t listening = 0;  // functions
};

struct HostBounds {
  std::size_t launching = 0;
  std::size_t instances = 0;  // the parked ones not counted
  std::size_t queued = 0;
  std::size_t filling = 0;  // launches for pools
  std::size_t parked = 0;
  std::uint64_t parked_bytes = 0;
  std::uint64_t snapshot_bytes = 0;
  std::size_t descriptors = 0;  // for all of that
};

// function::bounds, for the number of processors of this host and the daemon's limits.
HostBounds default_host_bounds();

enum class Decision { run, wait, refuse };

// For a connection that has just been accepted. Those that wait go first: it runs at once only if
// nobody of its function does.
Decision admit(const function::Limits& limits, const FunctionLoad& load, const HostLoad& host,
               const HostBounds& bounds);

// Whether the function's first waiting connection may run now.
bool may_start(const function::Limits& limits, const FunctionLoad& load, const HostLoad& host,
               const HostBounds& bounds);

// When to come back after a refusal: the time in which the queue ahead drains, from what one
// connection has taken lately; in whole seconds, within bounds::kMinRetryAfter and kMaxRetryAfter.
std::chrono::seconds retry_after(const function::Limits& limits, const FunctionLoad& load,
                                 std::chrono::milliseconds mean_time);

}  // namespace serve
