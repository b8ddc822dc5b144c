#include "faasd/serve/closing.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "oci/sys/socket.h"

namespace {

struct Pair {
  sys::UniqueFd client;
  sys::UniqueFd server;
};

Pair tcp_pair() {
  const sys::UniqueFd listener = sys::listen_tcp({sys::Ipv4{0x7f000001}, 0}, 1);
  Pair pair;
  pair.client = sys::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(sys::local_endpoint(listener.get()).port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(pair.client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  pollfd ready{listener.get(), POLLIN, 0};
  REQUIRE(::poll(&ready, 1, 5000) == 1);
  pair.server = sys::accept_connection(listener.get()).fd;
  return pair;
}

std::string read_to_end(int fd) {
  std::string text;
  char buffer[1000];
  for (ssize_t n = 0; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

}  // namespace

TEST_CASE("a client that has sent a request nobody read still gets the whole answer") {
  sys::EventLoop loop;
  serve::Closing closing(loop);
  Pair pair = tcp_pair();
  const std::string request(100'000, 'r');
  REQUIRE(::send(pair.client.get(), request.data(), request.size(), 0) > 0);
  closing.close(std::move(pair.server), "answer");
  CHECK(closing.count() == 1);
  CHECK(read_to_end(pair.client.get()) == "answer");
  pair.client.reset();
  while (closing.count() > 0) {
    const auto end = loop.after(std::chrono::milliseconds(0), [&] { loop.stop(); });
    loop.run();
  }
  CHECK(closing.count() == 0);
}

TEST_CASE("nothing is added to what a handler has begun to say") {
  sys::EventLoop loop;
  serve::Closing closing(loop);
  Pair pair = tcp_pair();
  REQUIRE(::send(pair.server.get(), "HTTP/1.1 200", 12, 0) == 12);
  closing.close(std::move(pair.server), "answer");
  CHECK(read_to_end(pair.client.get()) == "HTTP/1.1 200");
}

TEST_CASE("without a text the connection is just closed") {
  sys::EventLoop loop;
  serve::Closing closing(loop);
  Pair pair = tcp_pair();
  closing.close(std::move(pair.server), "");
  CHECK(read_to_end(pair.client.get()).empty());
  CHECK(closing.count() == 0);
}
