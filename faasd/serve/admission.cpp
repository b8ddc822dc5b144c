#include "faasd/serve/admission.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <thread>

#include "faasd/function/bounds.h"
#include "oci/sys/file.h"

namespace serve {
namespace {

// Who were started without any left would be a 502, and takes other connections along.
bool has_descriptors(const HostLoad& host, const HostBounds& bounds) {
  const std::size_t instances = host.instances + host.parked + 1;
  const std::size_t wanted =
      instances * function::bounds::kDescriptorsOfInstance + host.queued + host.listening;
  return wanted <= bounds.descriptors;
}

}  // namespace

HostBounds default_host_bounds() {
  const std::size_t processors = std::max(1U, std::thread::hardware_concurrency());
  const auto memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t files = sys::file_limit();
  return {processors * function::bounds::kLaunchesPerProcessor,
          function::bounds::kMaxInstances,
          function::bounds::kMaxQueued,
          processors,
          function::bounds::kMaxParked,
          memory / function::bounds::kParkedShareOfMemory,
          memory / function::bounds::kSnapshotShareOfMemory,
          std::max(files / 2, files - std::min(files, function::bounds::kOtherDescriptors))};
}

bool may_start(const function::Limits& limits, const FunctionLoad& load, const HostLoad& host,
               const HostBounds& bounds) {
  const bool has_instance = load.parked > 0 || host.launching < bounds.launching;
  const bool has_descriptor = load.parked > 0 || has_descriptors(host, bounds);
  return load.live < limits.concurrency && has_instance && has_descriptor &&
         host.instances < bounds.instances;
}

Decision admit(const function::Limits& limits, const FunctionLoad& load, const HostLoad& host,
               const HostBounds& bounds) {
  if (load.queued == 0 && may_start(limits, load, host, bounds)) return Decision::run;
  // A connection that waits only for its turn to be launched is within the concurrency limit and
  // needs no room in the function's queue.
  const bool within_concurrency = load.live + load.queued < limits.concurrency;
  const bool room = within_concurrency || load.queued < limits.queue;
  return room && host.queued < bounds.queued ? Decision::wait : Decision::refuse;
}

std::chrono::seconds retry_after(const function::Limits& limits, const FunctionLoad& load,
                                 std::chrono::milliseconds mean_time) {
  const auto ahead = static_cast<std::int64_t>(load.live + load.queued);
  const std::int64_t at_once = std::max<std::int64_t>(limits.concurrency, 1);
  const std::int64_t ms = (ahead * mean_time.count() + at_once - 1) / at_once;
  return std::chrono::seconds(std::clamp<std::int64_t>(
      (ms + 999) / 1000, function::bounds::kMinRetryAfter, function::bounds::kMaxRetryAfter));
}

}  // namespace serve
