// A request as it comes from the wire: its head read with a deadline and a bound, found to have one
// meaning only, and its caller admitted; or refused. Nothing that was not checked here gets to
// cpp-httplib. Belongs to the connection's thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "faasd/api/attest.h"
#include "faasd/api/http_framing.h"
#include "oci/sys/log.h"
#include "oci/sys/timed_io.h"

namespace api {

// Of a decoded path. The longest that means anything has 80 bytes, and std::regex, with which
// cpp-httplib looks at it, recurses for every byte.
inline constexpr std::size_t kMaxPathBytes = 1024;

// The caller of a path that is open to all.
inline constexpr const char* kAnybody = "anybody";

struct GuardedRequest {
  RequestHead head;
  Target target;
  std::string path;  // decoded; no segment of it has a slash
  BodyFraming framing;
  std::string body_start;  // what arrived with the head
  bool wants_continue = false;
  Peer peer;
  int socket = -1;                   // the connection; not owned
  std::string caller = "unknown";    // who is refused is named too, if the kernel knows
  std::optional<HttpError> refusal;  // then the rest is what was known when it was refused
};

// Who calls, in words for the audit log. Throws HttpError for who may not.
using Admission = std::function<std::string(const GuardedRequest&)>;

// Nothing if the client left without a word. Whatever fails is a refusal with status 500.
std::optional<GuardedRequest> read_request(int fd, sys::Deadline deadline, const Admission& admit,
                                           const sys::Log& log);

}  // namespace api
