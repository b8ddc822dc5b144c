// How many bytes a TCP connection has carried, told by the kernel: of a socket that is ours, of one
// that another process has, and of one that is gone. tcp(7), sock_diag(7), RFC 4898. Throws
// std::system_error.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "oci/sys/socket.h"

namespace sys {

struct Traffic {
  // Received in order, whether or not anybody has read it. A FIN that came is one of them, as TCP
  // numbers it, and nothing tells it from a byte of payload; what the peer has sent has none.
  std::uint64_t in = 0;
  std::uint64_t out = 0;  // sent at least once, whether or not it has arrived

  bool operator==(const Traffic&) const = default;
};

// A TCP connection by name, for when its socket is another's. `cookie` as in socket_cookie.
struct Connection {
  std::uint64_t cookie = 0;  // 0: any of these ends
  TcpEndpoint local;
  TcpEndpoint remote;
};
Connection connection_of(int tcp_socket) noexcept;

// TCP_INFO of an open socket.
Traffic traffic_of(int tcp_socket) noexcept;
// The same of a connection in our network namespace that some process or the kernel still holds;
// empty if it is gone.
std::optional<Traffic> traffic_of(const Connection& connection);

// The last figures of a socket that is gone.
struct Farewell {
  Connection connection;
  Traffic traffic;
};

// The farewells of sockets, as the kernel destroys them: what `ss --events` prints. One
// thread.
class TcpFarewells {
 public:
  // Of sockets whose local or remote address is from `first` to `last`; the kernel drops the rest
  // before it costs anything here.
  TcpFarewells(Ipv4 first, Ipv4 last);

  int fd() const noexcept { return fd_.get(); }  // readable when there is news

  // Takes the news that is there, at most a number of messages; a loss by overflow is not noticed
  // but by what never comes.
  void read_some(const std::function<void(const Farewell&)>& on_farewell);

 private:
  UniqueFd fd_;
};

}  // namespace sys
