// Clocks that <chrono> does not have. And times as text. Sources: clock_gettime(2),
// RFC 3339. Any thread.
#pragma once

#include <chrono>
#include <string>

namespace sys {

// What the calling thread has cost so far, in user and kernel mode.
std::chrono::nanoseconds thread_cpu_time() noexcept;

// "2026-01-31T12:00:00.000Z": UTC, with milliseconds.
std::string rfc3339(std::chrono::system_clock::time_point time);

}  // namespace sys
