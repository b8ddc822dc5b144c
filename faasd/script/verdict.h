// What a client is told of a run that has ended, from what came back on the script's connection and
// from its receipt. Pure. What comes back is the script's own doing and may be anything.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "faasd/script/run.h"

namespace script {

// An HTTP response, taken apart. Empty if it is none that says where it ends.
struct Reply {
  int status = 0;
  std::string retry_after;  // of a 503
  std::string_view body;
};
std::optional<Reply> parse_reply(std::string_view bytes);

struct Verdict {
  int status = 200;  // of HTTP
  // JSON in one line: {"data", "type"}, or {"error", "code", …}.
  std::string json;
  std::string retry_after;

  bool is_result() const noexcept { return status == 200; }
};
Verdict verdict_of(const Run& run, const End& end);

// The same of a reply that is not about a result: any JSON object with status 200 is good.
Verdict plain_verdict_of(const End& end);

}  // namespace script
