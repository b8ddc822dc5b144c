#include "faasd/serve/traffic_ledger.h"

#include <doctest/doctest.h>

#include <optional>

#include "tests/support/tcp_pair.h"

using serve::TrafficLedger;
using support::connect_tcp_pair;
using support::TcpPair;
using support::transfer;
using sys::Traffic;

namespace {

constexpr sys::Ipv4 kLoopback{0x7f000001};

struct Desk {
  sys::EventLoop loop;
  sys::Log log{sys::LogLevel::error, sys::LogFormat::text};
  TrafficLedger ledger{loop, log, kLoopback, kLoopback};

  Traffic settle(const sys::Connection& connection) {
    std::optional<Traffic> told;
    ledger.settle(connection, [&](const Traffic& traffic) {
      told = traffic;
      loop.stop();
    });
    const auto deadline = loop.after(std::chrono::seconds(10), [this] { loop.stop(); });
    loop.run();
    REQUIRE(told);
    return *told;
  }
};

}  // namespace

TEST_CASE("a connection that was given away is told of when it is over") {
  Desk desk;
  TcpPair pair = connect_tcp_pair();
  const sys::Connection connection = desk.ledger.expect(pair.server.get());
  transfer(pair.client, pair.server, 500);
  transfer(pair.server, pair.client, 20);
  SUBCASE("its socket is gone") {
    pair.server.reset();
  }
  SUBCASE("somebody still holds it") {}
  SUBCASE("the client ended its side first") {
    pair.client.reset();
  }
  SUBCASE("both are gone, the client's first") {
    pair.client.reset();
    pair.server.reset();
  }
  SUBCASE("both are gone, the client's last") {
    pair.server.reset();
    pair.client.reset();
  }
  CHECK(desk.settle(connection) == Traffic{500, 20});
}

TEST_CASE("nobody waits for what nobody knows") {
  Desk desk;
  TcpPair pair = connect_tcp_pair();
  SUBCASE("what was known when it was given away is told at the end of the daemon") {
    transfer(pair.client, pair.server, 500);
    const sys::Connection connection = desk.ledger.expect(pair.server.get());
    int calls = 0;
    desk.ledger.settle(connection, [&](const Traffic& traffic) {
      CHECK(traffic.in == 500);
      ++calls;
    });
    desk.ledger.settle_all();
    desk.ledger.settle_all();
    CHECK(calls == 1);
  }
  SUBCASE("one that was forgotten has carried nothing") {
    const sys::Connection connection = desk.ledger.expect(pair.server.get());
    desk.ledger.forget(connection);
    Traffic told{1, 1};
    desk.ledger.settle(connection, [&](const Traffic& traffic) { told = traffic; });
    CHECK(told == Traffic{});
  }
}
