#include "oci/sys/socket.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "oci/sys/error.h"

namespace sys {
namespace {

sockaddr_in to_sockaddr(const TcpEndpoint& endpoint) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  address.sin_addr.s_addr = htonl(endpoint.address.bits);
  return address;
}

TcpEndpoint from_sockaddr(const sockaddr_in& address) {
  return {Ipv4{ntohl(address.sin_addr.s_addr)}, ntohs(address.sin_port)};
}

// Bytes, and room for one descriptor beside them: unix(7), SCM_RIGHTS.
struct DescriptorMessage {
  DescriptorMessage(char* bytes, std::size_t size) : data{bytes, size} {
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
  DescriptorMessage(const DescriptorMessage&) = delete;
  DescriptorMessage& operator=(const DescriptorMessage&) = delete;

  iovec data;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
};

}  // namespace

std::string TcpEndpoint::to_string() const {
  return address.to_string() + ":" + std::to_string(port);
}

TcpEndpoint parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos) {
    const std::optional<Ipv4> address = parse_ipv4(text.substr(0, colon));
    const std::string_view digits = text.substr(colon + 1);
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (address && error == std::errc() && end == digits.data() + digits.size()) {
      return {*address, port};
    }
  }
  throw Refused(Refusal::invalid, "bad_address",
                "'" + std::string(text) + "' is no address; write IPV4:PORT, as in 127.0.0.1:8080");
}

UniqueFd listen_tcp(const TcpEndpoint& endpoint, int backlog) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw_errno("socket");
  const int one = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  const sockaddr_in address = to_sockaddr(endpoint);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), backlog) != 0) {
    if (errno == EADDRINUSE) {
      throw Refused(Refusal::conflict, "port_in_use",
                    endpoint.to_string() +
                        " is in use by another program (perhaps one that listens"
                        " on 0.0.0.0:" +
                        std::to_string(endpoint.port) +
                        "); stop it, or choose another port or address");
    }
    throw_errno("listen on " + endpoint.to_string());
  }
  return fd;
}

UniqueFd listen_unix(int directory_fd, const std::string& name, mode_t mode, int backlog) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw_errno("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(directory_fd) + "/" + name;
  if (path.size() >= sizeof address.sun_path) throw_errno(ENAMETOOLONG, "bind " + name);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  ::unlinkat(directory_fd, name.c_str(), 0);
  // fchmod on an unbound socket decides the mode of the inode that bind(2) makes: at no moment is
  // it open to more than it should be.
  if (::fchmod(fd.get(), mode) != 0) throw_errno("chmod " + name);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw_errno("bind " + name);
  }
  if (::fchmodat(directory_fd, name.c_str(), mode, 0) != 0) throw_errno("chmod " + name);
  if (::listen(fd.get(), backlog) != 0) throw_errno("listen on " + name);
  return fd;
}

bool someone_listens(const std::filesystem::path& path) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw_errno("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.size() >= sizeof address.sun_path) {
    throw Refused(Refusal::invalid, "bad_socket_path",
                  "the socket path " + text + " is longer than the 107 bytes that clients can use");
  }
  std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
  // EAGAIN: its queue is full, so it is alive all the same.
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
         errno == EAGAIN;
}

Accepted accept_connection(int listener_fd) {
  for (;;) {
    UniqueFd fd(::accept4(listener_fd, nullptr, nullptr, SOCK_CLOEXEC));
    if (fd) return {std::move(fd), AcceptError::none_pending};
    switch (errno) {
      case EAGAIN:
        return {};
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        return {UniqueFd(), AcceptError::no_room};
      case EBADF:
      case EINVAL:
      case ENOTSOCK:
      case EFAULT:
        throw_errno("accept");
      default:
        continue;  // a pending error of the new connection: accept(2), "Error handling"
    }
  }
}

TcpEndpoint local_endpoint(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw_errno("getsockname");
  }
  return from_sockaddr(address);
}

TcpEndpoint peer_endpoint(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return from_sockaddr(address);
}

bool send_descriptor(int unix_socket, std::string_view message, int fd) noexcept {
  DescriptorMessage sent(const_cast<char*>(message.data()), message.size());
  cmsghdr* rights = CMSG_FIRSTHDR(&sent.header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  const ssize_t count = ::sendmsg(unix_socket, &sent.header, MSG_NOSIGNAL | MSG_DONTWAIT);
  return count == static_cast<ssize_t>(message.size());
}

Parcel receive_parcel(int unix_socket) {
  char buffer[16384];
  DescriptorMessage received(buffer, sizeof buffer);
  Parcel parcel;
  const ssize_t count = ::recvmsg(unix_socket, &received.header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (count <= 0) {
    parcel.ended = count == 0 || (errno != EAGAIN && errno != EINTR);
    return parcel;
  }
  parcel.bytes.assign(buffer, static_cast<std::size_t>(count));
  const cmsghdr* rights = CMSG_FIRSTHDR(&received.header);
  if (rights != nullptr && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
    parcel.fd.reset(fd);
  }
  return parcel;
}

const std::size_t kMaxSocketAddress = sizeof(sockaddr_storage);

bool is_unix_address(std::span<const std::byte> address) noexcept {
  sa_family_t family = AF_UNSPEC;
  if (address.size() < sizeof family) return false;
  std::memcpy(&family, address.data(), sizeof family);
  return family == AF_UNIX;
}

int pending_error(int socket) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

Delivery delivery(int unix_socket) noexcept {
  // A peer that closes with unread data leaves ECONNRESET here (unix_release_sock in the kernel):
  // then the queue is empty too, but nobody has the message.
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(unix_socket, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Delivery::refused;
  int unread = 0;
  if (::ioctl(unix_socket, SIOCOUTQ, &unread) != 0) return Delivery::refused;
  return unread == 0 ? Delivery::taken : Delivery::pending;
}

bool has_sent_bytes(int tcp_socket) noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(tcp_socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return true;
  return info.tcpi_bytes_sent != 0 || info.tcpi_notsent_bytes != 0;
}

std::uint64_t socket_cookie(int fd) noexcept {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) return 0;
  return cookie;
}

void close_without_linger(UniqueFd& fd) noexcept {
  if (!fd) return;
  const linger off{};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &off, sizeof off);
  fd.reset();
}

SocketPair make_socket_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) throw_errno("socketpair");
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::size_t write_now(int fd, std::string_view bytes) noexcept {
  const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

bool send_now(int fd, std::string_view bytes) noexcept {
  const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent == static_cast<ssize_t>(bytes.size());
}

ssize_t discard_input(int fd) noexcept {
  char buffer[16384];
  const ssize_t n = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n >= 0) return n;
  return errno == EAGAIN || errno == EINTR ? -1 : -2;
}

void shutdown_write(int fd) noexcept {
  ::shutdown(fd, SHUT_WR);
}

}  // namespace sys
