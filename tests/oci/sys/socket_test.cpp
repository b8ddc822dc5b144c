#include "oci/sys/socket.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/pidfd.h"
#include "tests/support/scratch.h"

namespace {

struct Pair {
  sys::UniqueFd client;
  sys::UniqueFd server;
};

sys::UniqueFd accept_one(const sys::UniqueFd& listener) {
  pollfd ready{listener.get(), POLLIN, 0};
  REQUIRE(::poll(&ready, 1, 5000) == 1);
  return std::move(sys::accept_connection(listener.get()).fd);
}

Pair tcp_pair() {
  const sys::UniqueFd listener = sys::listen_tcp({sys::Ipv4{0x7f000001}, 0}, 8);
  const sys::TcpEndpoint endpoint = sys::local_endpoint(listener.get());
  Pair pair;
  pair.client = sys::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  address.sin_addr.s_addr = htonl(endpoint.address.bits);
  REQUIRE(::connect(pair.client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  pair.server = accept_one(listener);
  REQUIRE(pair.server);
  return pair;
}

Pair unix_pair() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  return {sys::UniqueFd(ends[0]), sys::UniqueFd(ends[1])};
}

sys::UniqueFd receive_descriptor(int socket, std::size_t buffer_size) {
  char data[16] = {};
  iovec part{data, buffer_size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  REQUIRE(::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) > 0);
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return sys::UniqueFd(fd);
}

}  // namespace

TEST_CASE("an accepted socket blocks, as a handler expects, and is close-on-exec") {
  const Pair pair = tcp_pair();
  CHECK((::fcntl(pair.server.get(), F_GETFL) & O_NONBLOCK) == 0);
  CHECK((::fcntl(pair.server.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("a port in use is refused with the address in the message") {
  const sys::UniqueFd first = sys::listen_tcp({sys::Ipv4{0x7f000001}, 0}, 8);
  const sys::TcpEndpoint taken = sys::local_endpoint(first.get());
  try {
    sys::listen_tcp(taken, 8);
    FAIL("the port was given twice");
  } catch (const sys::Refused& refused) {
    CHECK(refused.code() == "port_in_use");
    CHECK(std::string(refused.what()).find(taken.to_string()) == 0);
  }
}

TEST_CASE("delivery follows a passed descriptor until the peer has taken it") {
  const Pair control = unix_pair();
  const Pair tcp = tcp_pair();
  REQUIRE(sys::send_descriptor(control.client.get(), "SOCKET", tcp.server.get()));
  CHECK(sys::delivery(control.client.get()) == sys::Delivery::pending);
  const sys::UniqueFd received = receive_descriptor(control.server.get(), 16);
  CHECK(sys::delivery(control.client.get()) == sys::Delivery::taken);
  CHECK(sys::socket_cookie(received.get()) == sys::socket_cookie(tcp.server.get()));
}

TEST_CASE("a peer that closes without reading has refused the descriptor") {
  Pair control = unix_pair();
  const Pair tcp = tcp_pair();
  REQUIRE(sys::send_descriptor(control.client.get(), "SOCKET", tcp.server.get()));
  control.server.reset();
  CHECK(sys::delivery(control.client.get()) == sys::Delivery::refused);
}

TEST_CASE("a peer that read and closed has taken the descriptor") {
  Pair control = unix_pair();
  const Pair tcp = tcp_pair();
  REQUIRE(sys::send_descriptor(control.client.get(), "SOCKET", tcp.server.get()));
  const sys::UniqueFd received = receive_descriptor(control.server.get(), 16);
  control.server.reset();
  CHECK(sys::delivery(control.client.get()) == sys::Delivery::taken);
}

TEST_CASE("one byte of payload is noticed, whoever wrote it") {
  const Pair tcp = tcp_pair();
  CHECK_FALSE(sys::has_sent_bytes(tcp.server.get()));
  const sys::UniqueFd other = sys::duplicate(tcp.server.get());
  REQUIRE(::send(other.get(), "x", 1, 0) == 1);
  CHECK(sys::has_sent_bytes(tcp.server.get()));
}

TEST_CASE("closing does not wait, whatever lingering was asked for") {
  Pair tcp = tcp_pair();
  const linger forever{1, 600};
  REQUIRE(::setsockopt(tcp.server.get(), SOL_SOCKET, SO_LINGER, &forever, sizeof forever) == 0);
  const std::string block(65536, 'x');
  while (::send(tcp.server.get(), block.data(), block.size(), MSG_DONTWAIT) > 0) {
  }
  sys::close_without_linger(tcp.server);  // would take ten minutes: the client reads nothing
  CHECK_FALSE(tcp.server);
}

TEST_CASE("a socket is found in a process by its name and taken from it") {
  const Pair tcp = tcp_pair();
  std::size_t budget = 1000;
  const auto taken = sys::take_socket(::getpid(), sys::name_of_socket(tcp.server.get()), budget);
  REQUIRE(taken);
  CHECK(sys::socket_cookie(taken->get()) == sys::socket_cookie(tcp.server.get()));
  budget = 0;
  CHECK_FALSE(sys::take_socket(::getpid(), sys::name_of_socket(tcp.server.get()), budget));
}

TEST_CASE("a Unix listener has its mode and replaces a stale socket") {
  const support::Scratch scratch;
  const sys::UniqueFd directory = sys::open_directory(scratch.path());
  sys::UniqueFd first = sys::listen_unix(directory.get(), "s", 0660, 1);
  struct stat st {};
  REQUIRE(::fstatat(directory.get(), "s", &st, 0) == 0);
  CHECK((st.st_mode & ALLPERMS) == 0660);
  CHECK(sys::someone_listens(scratch.path() / "s"));
  first.reset();
  CHECK_FALSE(sys::someone_listens(scratch.path() / "s"));
  CHECK(sys::listen_unix(directory.get(), "s", 0666, 1));
}

TEST_CASE("addresses are read strictly") {
  CHECK(sys::parse_endpoint("127.0.0.1:8080").to_string() == "127.0.0.1:8080");
  for (const char* bad : {"", "8080", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                          "127.0.0.1:+1", "127.0.0.1:80x", "1.2.3:80", "1.2.3.4.5:80"}) {
    CHECK_THROWS_AS(sys::parse_endpoint(bad), sys::Refused);
  }
}
