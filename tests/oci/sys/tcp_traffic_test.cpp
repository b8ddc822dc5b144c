#include "oci/sys/tcp_traffic.h"

#include <doctest/doctest.h>
#include <poll.h>

#include "tests/support/tcp_pair.h"

using support::connect_tcp_pair;
using support::TcpPair;
using support::transfer;
using sys::Traffic;

namespace {

constexpr int kSoonMs = 10'000;
constexpr sys::Ipv4 kLoopback{0x7f000001};

// Waits for the last figures of a connection, whatever else the kernel tells.
std::optional<Traffic> farewell_of(std::uint64_t cookie, sys::TcpFarewells& farewells) {
  std::optional<Traffic> found;
  pollfd readable{farewells.fd(), POLLIN, 0};
  while (!found && ::poll(&readable, 1, kSoonMs) == 1) {
    farewells.read_some([&](const sys::Farewell& farewell) {
      if (farewell.connection.cookie == cookie) found = farewell.traffic;
    });
  }
  return found;
}

}  // namespace

TEST_CASE("an open connection's payload is counted, from inside and by its name") {
  const TcpPair pair = connect_tcp_pair();
  CHECK(sys::traffic_of(pair.server.get()) == Traffic{0, 0});
  transfer(pair.client, pair.server, 1000);
  transfer(pair.server, pair.client, 7);
  CHECK(sys::traffic_of(pair.server.get()) == Traffic{1000, 7});
  sys::Connection connection = sys::connection_of(pair.server.get());
  CHECK(sys::traffic_of(connection) == Traffic{1000, 7});
  const sys::Connection of_client{0, connection.remote, connection.local};
  CHECK(sys::traffic_of(of_client) == Traffic{7, 1000});
  // Another socket of the same name, later.
  ++connection.cookie;
  CHECK_FALSE(sys::traffic_of(connection));
}

TEST_CASE("the kernel tells what a connection carried when its socket is gone") {
  sys::TcpFarewells farewells(kLoopback, kLoopback);
  sys::TcpFarewells of_others(sys::Ipv4{kLoopback.bits + 1}, sys::Ipv4{kLoopback.bits + 2});
  TcpPair pair = connect_tcp_pair();
  const sys::Connection connection = sys::connection_of(pair.server.get());
  transfer(pair.client, pair.server, 100'000);
  transfer(pair.server, pair.client, 3000);
  pair.server.reset();
  CHECK(farewell_of(connection.cookie, farewells) == Traffic{100'000, 3000});
  CHECK_FALSE(sys::traffic_of(connection));
  bool told = false;
  of_others.read_some([&](const sys::Farewell& farewell) {
    told = told || farewell.connection.cookie == connection.cookie;
  });
  CHECK_FALSE(told);
}

TEST_CASE("a FIN that came is counted where it came, and not where it was sent") {
  sys::TcpFarewells farewells(kLoopback, kLoopback);
  TcpPair pair = connect_tcp_pair();
  const sys::Connection connection = sys::connection_of(pair.server.get());
  const std::uint64_t client = sys::socket_cookie(pair.client.get());
  transfer(pair.client, pair.server, 10);
  pair.client.reset();
  char byte = 0;
  REQUIRE(::recv(pair.server.get(), &byte, 1, 0) == 0);
  CHECK(farewell_of(client, farewells) == Traffic{0, 10});
  pair.server.reset();
  CHECK(farewell_of(connection.cookie, farewells) == Traffic{11, 0});
}
