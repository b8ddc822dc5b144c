#include "oci/sys/timed_io.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <chrono>

#include "oci/sys/socket.h"
#include "oci/sys/tcp_connect.h"
#include "tests/support/tcp_pair.h"

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

sys::Deadline in(milliseconds time) {
  return steady_clock::now() + time;
}

constexpr milliseconds kLong{10'000};

}  // namespace

TEST_CASE("a connection is made by address and by name, and no child inherits it") {
  const sys::UniqueFd listener = sys::listen_tcp({sys::Ipv4{0x7f000001}, 0}, 8);
  const std::uint16_t port = sys::local_endpoint(listener.get()).port;
  for (const char* host : {"127.0.0.1", "localhost"}) {
    CAPTURE(host);
    const sys::UniqueFd fd = sys::connect_before(host, port, in(kLong));
    CHECK((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(sys::peer_endpoint(fd.get()).port == port);
  }
}

TEST_CASE("a connection that cannot be made says where to and why") {
  std::uint16_t port = 0;
  {
    const sys::UniqueFd listener = sys::listen_tcp({sys::Ipv4{0x7f000001}, 0}, 8);
    port = sys::local_endpoint(listener.get()).port;
  }
  const std::string refused =
      "connect to 127.0.0.1:" + std::to_string(port) + ": Connection refused";
  CHECK_THROWS_WITH(sys::connect_before("127.0.0.1", port, in(kLong)), refused.c_str());
  CHECK_THROWS_AS(sys::connect_before("no such host", 1, in(kLong)), std::runtime_error);
}

TEST_CASE("sending ends at its deadline if the peer takes nothing, or all the time a little") {
  const support::TcpPair pair = support::connect_tcp_pair();
  const std::string much(64u << 20, 'x');
  const auto start = steady_clock::now();
  CHECK(sys::send_before(pair.client.get(), much, in(milliseconds(50))) ==
        sys::IoStatus::timed_out);
  CHECK(steady_clock::now() - start < kLong);
  CHECK(sys::send_before(pair.server.get(), "hello", in(kLong)) == sys::IoStatus::done);
}

TEST_CASE("a peer is silent as long as it says nothing, and is there") {
  sys::SocketPair pair = sys::make_socket_pair();
  CHECK(sys::is_silent(pair.ours.get()));
  REQUIRE(sys::send_now(pair.theirs.get(), "x"));
  CHECK_FALSE(sys::is_silent(pair.ours.get()));
  CHECK(sys::discard_input(pair.ours.get()) == 1);
  CHECK(sys::is_silent(pair.ours.get()));
  pair.theirs.reset();
  CHECK_FALSE(sys::is_silent(pair.ours.get()));
}
