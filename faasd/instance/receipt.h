// What one invocation cost and how it ended: one per connection, always, also for a connection that
// never came to an instance. A plain value. It goes to the journal of its function, to the metrics
// and to the daemon's log.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "faasd/journal/journal.h"
#include "oci/sys/cgroup.h"
#include "oci/sys/log.h"
#include "oci/sys/tcp_traffic.h"

namespace instance {

enum class Outcome {
  ok,             // exit code 0
  exit,           // another exit code
  signal,         // killed by a signal that we did not send
  timeout,        // over its time; killed by us
  oom,            // killed by the kernel for the memory limit, at its launch too
  launch_failed,  // no container, or its handler ended before it took the connection
  refused,        // no capacity, or the daemon stops; or the client left before it was served
};
inline constexpr std::size_t kOutcomes = 7;

std::string_view to_word(Outcome outcome);

struct Receipt {
  std::string instance;  // empty if none was made
  std::string function;
  std::uint64_t version = 0;
  std::string image;
  std::string launcher;
  std::chrono::system_clock::time_point started_at;  // when the connection was accepted
  std::chrono::microseconds queue{0};
  std::chrono::microseconds launch{0};  // from its start until the handler had the socket
  std::chrono::microseconds run{0};     // from there to the end
  sys::CgroupUsage usage;               // of the container, its start by the runtime included
  sys::Traffic traffic;
  bool served = false;  // the handler has had the connection
  bool warm = false;
  bool branched = false;  // it began with the memory of its template
  Outcome outcome = Outcome::refused;
  int exit_code = 0;
  int signal = 0;
  std::uint64_t escapes = 0;  // attempts to use a socket of another network
  std::string reason;         // for the owner; may name paths of the host
  std::string summary;        // for the client; does not
};

// The members in docs/API.md. What is not known is null.
nlohmann::ordered_json to_json(const Receipt& receipt);

// Hands it to the journal of its function, and writes it to the log.
void record(const sys::Log& log, journal::Book& book, const Receipt& receipt);

}  // namespace instance
