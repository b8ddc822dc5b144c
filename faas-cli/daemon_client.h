// The daemon's HTTP interface as one exchange a connection. The only file of the command line that
// knows cpp-httplib: it writes the request and reads the answer, over a stream of ours. One thread.
// Throws Failure(no_daemon) when there is no answer; an answer that says no is a value.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "faas-cli/endpoint.h"
#include "faas-cli/upload.h"

namespace cli {

struct Answer {
  int status = 0;
  std::string body;

  bool ok() const noexcept { return status >= 200 && status < 300; }
};

// Told of an upload as it goes; all empty is fine. Called several times a second while waiting.
struct UploadObserver {
  std::function<void(std::uint64_t bytes)> sent;
  std::function<void()> all_sent;  // before the last bytes go
  std::function<void()> waiting;
};

// Looking is quick; what changes something may drain instances or unpack gigabytes on a slow disk.
// The daemon bounds both itself: these only keep a hung one from holding a script forever.
constexpr std::chrono::seconds kLookTimeout{30};
constexpr std::chrono::seconds kChangeTimeout{900};

class DaemonClient {
 public:
  explicit DaemonClient(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}

  const Endpoint& endpoint() const noexcept { return endpoint_; }

  Answer get(const std::string& target, std::chrono::milliseconds timeout = kLookTimeout) const;
  // An answer without an end of its own: each piece of a good one goes to `on_bytes`, which may
  // throw, and the body is empty. Silence for `kLookTimeout` is a daemon that hangs.
  Answer follow(const std::string& target,
                const std::function<void(std::string_view)>& on_bytes) const;
  // The same for what is posted.
  Answer follow(const std::string& target, const std::string& json,
                const std::function<void(std::string_view)>& on_bytes) const;
  Answer remove(const std::string& target) const;
  // Of the observer, `waiting` is called.
  Answer post(const std::string& target, const std::string& json = {},
              const UploadObserver& observer = {}) const;
  // Streams the body: with Content-Length if its size is known, else chunked. A daemon that answers
  // before the body is through is heard: the rest is not sent, and its answer is returned.
  Answer put(const std::string& target, Upload& body, const UploadObserver& observer) const;

 private:
  Endpoint endpoint_;
};

// RFC 3986: everything but the unreserved characters as %XX.
std::string percent_encode(std::string_view text);

}  // namespace cli
