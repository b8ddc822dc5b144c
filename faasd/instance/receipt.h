// What one invocation cost and how it ended: one per connection, always, also for a connection that
// never came to an instance. A plain value; for now it goes to the log.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "oci/sys/log.h"

namespace instance {

enum class Outcome {
  ok,             // exit code 0
  exit,           // another exit code
  signal,         // killed by a signal that we did not send
  timeout,        // over its time; killed by us
  launch_failed,  // no container, or its handler ended before it took the connection
  refused,        // no capacity: no container was tried
};

std::string_view to_word(Outcome outcome);

struct Receipt {
  std::string instance;  // empty if none was made
  std::string function;
  std::uint64_t version = 0;
  std::string image;
  std::string launcher;
  std::chrono::milliseconds queue{0};
  std::chrono::milliseconds launch{0};  // from its start until the handler had the socket
  std::chrono::milliseconds run{0};     // from there to the end
  bool warm = false;
  Outcome outcome = Outcome::refused;
  int exit_code = 0;
  int signal = 0;
  std::string reason;   // for the owner; may name paths of the host
  std::string summary;  // for the client; does not
};

void log_receipt(const sys::Log& log, const Receipt& receipt);

}  // namespace instance
