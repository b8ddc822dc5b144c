#include "oci/sys/tcp_connect.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "oci/sys/error.h"
#include "oci/sys/socket.h"

namespace sys {
namespace {

// 0, or the error of connecting to this one address.
int try_address(const addrinfo& address, Deadline deadline, UniqueFd& fd) {
  fd.reset(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno;
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS && errno != EINTR) return errno;
  return await_before(fd.get(), POLLOUT, deadline) ? pending_error(fd.get()) : ETIMEDOUT;
}

}  // namespace

UniqueFd connect_before(const std::string& host, std::uint16_t port, Deadline deadline) {
  const std::string service = std::to_string(port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int problem = ::getaddrinfo(host.c_str(), service.c_str(), &hints, &found);
  if (problem != 0) {
    throw std::runtime_error("look up " + host + ": " + ::gai_strerror(problem));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
  int error = ECONNREFUSED;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    UniqueFd fd;
    error = try_address(*address, deadline, fd);
    if (error == 0) return fd;
  }
  throw_errno(error, "connect to " + host + ":" + service);
}

}  // namespace sys
