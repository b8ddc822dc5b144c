#include "oci/sys/timed_io.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "oci/sys/error.h"

namespace sys {
namespace {

constexpr std::chrono::milliseconds kMaxPoll{60'000};  // poll takes an int

// Sends what the socket takes now. Empty if it has to wait for the peer to take more.
std::optional<IoStatus> send_some(int fd, std::string_view& bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      return std::nullopt;
    } else if (errno != EINTR) {
      return IoStatus::broken;
    }
  }
  return IoStatus::done;
}

}  // namespace

bool await_before(int fd, short events, Deadline deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd poll_fd{fd, events, 0};
    const int n = ::poll(&poll_fd, 1, static_cast<int>(std::min(left, kMaxPoll).count()));
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) throw_errno("poll a socket");
  }
}

Received receive_before(int fd, std::span<char> buffer, Deadline deadline) {
  for (;;) {
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) return {IoStatus::done, static_cast<std::size_t>(n)};
    if (n == 0) return {IoStatus::end, 0};
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return {IoStatus::broken, 0};
    if (!await_before(fd, POLLIN, deadline)) return {IoStatus::timed_out, 0};
  }
}

IoStatus send_within(int fd, std::string_view bytes, std::chrono::milliseconds idle) {
  for (;;) {
    if (const std::optional<IoStatus> status = send_some(fd, bytes)) return *status;
    if (!await_before(fd, POLLOUT, std::chrono::steady_clock::now() + idle))
      return IoStatus::timed_out;
  }
}

IoStatus send_before(int fd, std::string_view bytes, Deadline deadline) {
  for (;;) {
    if (const std::optional<IoStatus> status = send_some(fd, bytes)) return *status;
    if (!await_before(fd, POLLOUT, deadline)) return IoStatus::timed_out;
  }
}

bool peer_has_ended(int fd) noexcept {
  pollfd poll_fd{fd, POLLRDHUP, 0};
  return ::poll(&poll_fd, 1, 0) > 0;
}

bool is_silent(int fd) noexcept {
  pollfd poll_fd{fd, POLLIN | POLLRDHUP, 0};
  return ::poll(&poll_fd, 1, 0) == 0;
}

void shutdown_both(int fd) noexcept {
  ::shutdown(fd, SHUT_RDWR);
}

}  // namespace sys
