// What the daemon itself says to a client when no container can: a whole HTTP response with a short
// JSON body. The only bytes the daemon ever writes to a client. RFC 9110, docs/PROTOCOL.md.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace serve {

struct Answer {
  int status = 0;         // 502, 503 or 504
  std::string_view code;  // snake_case, stable
  std::string message;
  std::string instance;                             // X-Faas-Instance, if there was one
  std::optional<std::chrono::seconds> retry_after;  // of a 503
};

std::string to_http(const Answer& answer);

}  // namespace serve
