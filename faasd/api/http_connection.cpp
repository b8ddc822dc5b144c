#include "faasd/api/http_connection.h"

#include <vector>

#include "faasd/api/request_stream.h"
#include "oci/sys/socket.h"

namespace api {
namespace {

using Clock = std::chrono::steady_clock;

// Reads and drops, until the client has had a chance to read its answer.
void linger(int fd, std::chrono::milliseconds time) {
  sys::shutdown_write(fd);
  const sys::Deadline deadline = Clock::now() + time;
  std::vector<char> dropped(65'536);
  while (Clock::now() < deadline) {
    if (sys::receive_before(fd, dropped, deadline).status != sys::IoStatus::done) return;
  }
}

}  // namespace

void serve_connection(int fd, const ConnectionTimes& times, const Site& site,
                      const sys::Log& log) noexcept {
  try {
    std::optional<GuardedRequest> request =
        read_request(fd, Clock::now() + times.head, site.admit, log);
    if (!request) return;
    RequestStream stream(fd, times, *request);
    site.router.answer(*request, stream);
    if (stream.is_writable()) linger(fd, times.linger);
  } catch (const std::exception& error) {
    log.warn("answer_failed", {{"error", error.what()}});
  }
}

}  // namespace api
