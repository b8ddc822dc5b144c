// Clocks that <chrono> does not have. Source: clock_gettime(2). Any thread.
#pragma once

#include <chrono>

namespace sys {

// What the calling thread has cost so far, in user and kernel mode.
std::chrono::nanoseconds thread_cpu_time() noexcept;

}  // namespace sys
