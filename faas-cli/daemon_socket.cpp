#include "faas-cli/daemon_socket.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>

#include "faas-cli/failure.h"
#include "oci/sys/error.h"

namespace cli {
namespace {

// A daemon on this host accepts at once; one that does not within this time is stuck or not there.
constexpr timeval kConnectTimeout{10, 0};

std::string error_text(int error_number) {
  return std::generic_category().message(error_number);
}

[[noreturn]] void throw_unreachable(const Endpoint& endpoint, int error_number) {
  const std::string where = endpoint.describe();
  if (error_number == EACCES || error_number == EPERM) {
    throw Failure(ExitCode::no_daemon, "no permission to use " + where +
                                           ": be root, or in the group faas (sudo " +
                                           "usermod -aG faas USER, then log in again)");
  }
  // EAGAIN and EINPROGRESS are how connect(2) reports that SO_SNDTIMEO has passed.
  const bool timed_out = error_number == EAGAIN || error_number == EINPROGRESS;
  throw Failure(ExitCode::no_daemon,
                "no daemon at " + where + " (" + error_text(timed_out ? ETIMEDOUT : error_number) +
                    "): start faasd, or name another one with --socket or --url");
}

sys::UniqueFd open_socket(int family) {
  sys::UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) sys::throw_errno("socket");
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kConnectTimeout, sizeof kConnectTimeout);
  return fd;
}

sys::UniqueFd connect_unix(const Endpoint& endpoint) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // resolve_endpoint has checked the length.
  std::memcpy(address.sun_path, endpoint.socket_path.c_str(), endpoint.socket_path.size() + 1);
  sys::UniqueFd fd = open_socket(AF_UNIX);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw_unreachable(endpoint, errno);
  }
  return fd;
}

sys::UniqueFd connect_tcp(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found);
  if (error != 0) {
    const std::string reason = error == EAI_SYSTEM ? error_text(errno) : ::gai_strerror(error);
    throw Failure(ExitCode::no_daemon,
                  "no daemon at " + endpoint.describe() + " (" + reason + "): check the host name");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  int last_error = ECONNREFUSED;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    sys::UniqueFd fd = open_socket(entry->ai_family);
    if (::connect(fd.get(), entry->ai_addr, entry->ai_addrlen) == 0) return fd;
    last_error = errno;
  }
  throw_unreachable(endpoint, last_error);
}

}  // namespace

DaemonSocket::DaemonSocket(const Endpoint& endpoint)
    : fd_(endpoint.is_unix() ? connect_unix(endpoint) : connect_tcp(endpoint)) {}

DaemonSocket::Ready DaemonSocket::wait(bool want_write, int input_fd,
                                       std::chrono::milliseconds timeout) const {
  constexpr short kSpoken = POLLIN | POLLRDHUP | POLLHUP | POLLERR;
  const short events = static_cast<short>(POLLIN | POLLRDHUP | (want_write ? POLLOUT : 0));
  pollfd polled[2] = {{fd_.get(), events, 0}, {input_fd, POLLIN, 0}};
  const int ready = ::poll(polled, 2, static_cast<int>(timeout.count()));
  if (ready < 0 && errno != EINTR) sys::throw_errno("poll");
  if (ready <= 0) return Ready::nothing;
  if ((polled[0].revents & kSpoken) != 0) return Ready::to_read;
  if ((polled[0].revents & POLLOUT) != 0) return Ready::to_write;
  return Ready::input;
}

std::ptrdiff_t DaemonSocket::send(const char* bytes, std::size_t size) noexcept {
  const ssize_t sent = ::send(fd_.get(), bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return sent;
  return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

std::ptrdiff_t DaemonSocket::receive(char* bytes, std::size_t size) noexcept {
  for (;;) {
    const ssize_t received = ::recv(fd_.get(), bytes, size, 0);
    if (received >= 0) return received;
    if (errno != EINTR) return -1;
  }
}

}  // namespace cli
