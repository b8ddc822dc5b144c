#include "faasd/instance/handoff.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "oci/sys/file.h"
#include "oci/sys/socket.h"
#include "tests/support/scratch.h"

namespace {

struct Bench {
  support::Scratch scratch;
  sys::EventLoop loop;
  bool connected = false;
  bool taken = false;
  bool left = false;
  instance::Handoff handoff{
      loop,
      sys::listen_unix(sys::open_directory(scratch.path()).get(), "control.sock", 0666, 1),
      {[this] { connected = true; }, [this] { taken = true; }, [this] { left = true; }}};
  sys::UniqueFd client;  // our end of the connection that is handed off

  sys::UniqueFd make_client() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    client = sys::UniqueFd(ends[0]);
    return sys::UniqueFd(ends[1]);
  }

  sys::UniqueFd connect() const {
    sys::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = (scratch.path() / "control.sock").string();
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
    return fd;
  }

  // One turn of the loop with everything that is ready.
  void turn() {
    const auto end = loop.after(std::chrono::milliseconds(0), [this] { loop.stop(); });
    loop.run();
  }
};

sys::UniqueFd receive(int socket) {
  char data[16] = {};
  iovec part{data, sizeof data};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  REQUIRE(::recvmsg(socket, &message, 0) == 6);
  CHECK(std::string(data) == "SOCKET");
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return sys::UniqueFd(fd);
}

bool is_closed(int fd) {
  char byte = 0;
  return ::recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

}  // namespace

TEST_CASE("the handler gets the socket, and the daemon keeps no copy of it") {
  Bench bench;
  bench.handoff.give(bench.make_client());
  const sys::UniqueFd control = bench.connect();
  bench.turn();
  CHECK(bench.connected);
  sys::UniqueFd received = receive(control.get());
  bench.turn();
  CHECK(bench.taken);
  CHECK_FALSE(bench.handoff.reclaim());
  received.reset();
  CHECK(is_closed(bench.client.get()));
}

TEST_CASE("a handler that is there first waits for its connection") {
  Bench bench;
  const sys::UniqueFd control = bench.connect();
  bench.turn();
  CHECK(bench.connected);
  CHECK_FALSE(bench.taken);
  bench.handoff.give(bench.make_client());
  const sys::UniqueFd received = receive(control.get());
  bench.turn();
  CHECK(bench.taken);
}

TEST_CASE("a second connection to the control socket is refused") {
  Bench bench;
  const sys::UniqueFd first = bench.connect();
  bench.turn();
  CHECK_FALSE(bench.connect());
}

TEST_CASE("the daemon keeps the client of a handler that connects and never receives") {
  Bench bench;
  bench.handoff.give(bench.make_client());
  sys::UniqueFd control = bench.connect();
  bench.turn();
  CHECK_FALSE(bench.taken);
  control.reset();
  bench.turn();
  CHECK_FALSE(bench.taken);
  CHECK(bench.handoff.reclaim());
}

TEST_CASE("a parked handler that leaves is missed at once") {
  Bench bench;
  sys::UniqueFd control = bench.connect();
  bench.turn();
  CHECK_FALSE(bench.left);
  control.reset();
  bench.turn();
  CHECK(bench.left);
  bench.handoff.give(bench.make_client());
  CHECK_FALSE(bench.taken);
  CHECK(bench.handoff.reclaim());
}

TEST_CASE("a handler that left in the moment of the handoff has not had the socket") {
  Bench bench;
  sys::UniqueFd control = bench.connect();
  bench.turn();
  control.reset();
  bench.handoff.give(bench.make_client());
  CHECK(bench.left);
  CHECK(bench.handoff.reclaim());
}

TEST_CASE("garbage from a handler is never read and changes nothing") {
  Bench bench;
  bench.handoff.give(bench.make_client());
  const sys::UniqueFd control = bench.connect();
  REQUIRE(::send(control.get(), "garbage", 7, 0) == 7);
  bench.turn();
  const sys::UniqueFd received = receive(control.get());
  bench.turn();
  CHECK(bench.taken);
}

TEST_CASE("settle sees a socket that was taken before the loop could tell") {
  Bench bench;
  bench.handoff.give(bench.make_client());
  const sys::UniqueFd control = bench.connect();
  bench.turn();
  const sys::UniqueFd received = receive(control.get());
  bench.handoff.settle();
  CHECK(bench.taken);
}
