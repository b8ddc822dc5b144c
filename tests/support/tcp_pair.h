// Two ends of a TCP connection over 127.0.0.1, and what a test does with them.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "oci/sys/socket.h"

namespace support {

struct TcpPair {
  sys::UniqueFd client;
  sys::UniqueFd server;  // accepted
};

inline TcpPair connect_tcp_pair() {
  const sys::UniqueFd listener = sys::listen_tcp({sys::Ipv4{0x7f000001}, 0}, 1);
  const sys::TcpEndpoint endpoint = sys::local_endpoint(listener.get());
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  address.sin_addr.s_addr = htonl(endpoint.address.bits);
  TcpPair pair{sys::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), {}};
  REQUIRE(::connect(pair.client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  pair.server = sys::accept_connection(listener.get()).fd;
  REQUIRE(pair.server);
  return pair;
}

// Sends `size` bytes and has the other end read them.
inline void transfer(const sys::UniqueFd& from, const sys::UniqueFd& to, std::size_t size) {
  std::string bytes(size, 'x');
  REQUIRE(::send(from.get(), bytes.data(), size, MSG_NOSIGNAL) == static_cast<ssize_t>(size));
  REQUIRE(::recv(to.get(), bytes.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size));
}

}  // namespace support
