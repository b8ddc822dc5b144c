// Every case runs on a thread of its own in a network namespace of its own: nothing of the host's
// `lo` is touched, and no packet leaves the namespace.
#include "oci/sys/netlink.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <set>
#include <system_error>
#include <thread>

#include "oci/sys/socket.h"
#include "oci/sys/unique_fd.h"

namespace {

using sys::Ipv4;
using sys::TcpEndpoint;
using sys::UniqueFd;

constexpr Ipv4 kLoopback{0x7f000001};
constexpr uid_t kNobody = 65534;

// unshare(CLONE_NEWNET) and setfsuid change the calling thread alone.
void in_network_namespace(const std::function<void()>& body) {
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      MESSAGE("skipped: needs root (CAP_SYS_ADMIN) for a network namespace");
      return;
    }
    body();
  }).join();
}

Ipv4 ip(const char* text) {
  return sys::parse_ipv4(text).value();
}

std::vector<sys::LoopbackAddress> with_address(Ipv4 address) {
  std::vector<sys::LoopbackAddress> all = sys::list_addresses();
  std::erase_if(all, [&](const auto& entry) { return entry.address != address; });
  return all;
}

sockaddr_in to_sockaddr(const TcpEndpoint& endpoint) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  address.sin_addr.s_addr = htonl(endpoint.address.bits);
  return address;
}

UniqueFd connect_to(const TcpEndpoint& endpoint) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = to_sockaddr(endpoint);
  REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

// A listener on lo, a client and the accepted side of it.
struct Conversation {
  UniqueFd listener = sys::listen_tcp({kLoopback, 0}, 4);
  TcpEndpoint server = sys::local_endpoint(listener.get());
  UniqueFd client;
  TcpEndpoint peer;
  UniqueFd accepted;

  explicit Conversation(const std::function<UniqueFd(const TcpEndpoint&)>& connect = connect_to)
      : client(connect(server)) {
    sys::set_nonblocking(listener.get(), false);
    accepted = sys::accept_connection(listener.get()).fd;
    peer = sys::peer_endpoint(accepted.get());
  }

  std::optional<uid_t> owner() const {
    return sys::tcp_socket_owner(peer.address, peer.port, server.address, server.port);
  }
};

}  // namespace

TEST_CASE("a dotted quad is parsed, and nothing else is") {
  CHECK(ip("127.77.0.10").bits == 0x7f4d000a);
  CHECK(ip("255.255.255.255").to_string() == "255.255.255.255");
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", " 1.2.3.4", "0x7f.1",
                           "127.1", "1.2.3.-4", "::1", "a.b.c.d"}) {
    CAPTURE(text);
    CHECK_FALSE(sys::parse_ipv4(text).has_value());
  }
  CHECK_FALSE(sys::parse_ipv4(std::string_view("1.2.3.4\0x", 9)).has_value());
}

TEST_CASE("an address is added to lo with its label, listed, and removed once") {
  in_network_namespace([] {
    sys::bring_up_loopback();
    const Ipv4 address = ip("127.77.0.10");
    CHECK(with_address(address).empty());
    CHECK(sys::add_loopback_address(address, "lo:faas"));
    const auto listed = with_address(address);
    REQUIRE(listed.size() == 1);
    CHECK(listed.front().label == "lo:faas");
    CHECK(sys::remove_loopback_address(address));
    CHECK(with_address(address).empty());
    CHECK_FALSE(sys::remove_loopback_address(address));
  });
}

TEST_CASE("an address that is there already is not added, whatever its prefix and label") {
  in_network_namespace([] {
    sys::bring_up_loopback();
    CHECK(sys::add_loopback_address(ip("127.77.0.10"), "lo:other"));
    CHECK_FALSE(sys::add_loopback_address(ip("127.77.0.10"), "lo:faas"));
    CHECK(with_address(ip("127.77.0.10")).front().label == "lo:other");
    // The kernel's own 127.0.0.1/8.
    CHECK_FALSE(sys::add_loopback_address(kLoopback, "lo:faas"));
  });
}

TEST_CASE("an address is not added that was seen on an interface a moment ago") {
  in_network_namespace([] {
    sys::bring_up_loopback();
    CHECK(sys::present_addresses() == std::set<Ipv4>{kLoopback});
    const std::set<Ipv4> seen = {kLoopback, ip("127.77.0.10")};
    CHECK_FALSE(sys::add_loopback_address(ip("127.77.0.10"), "lo:faas", seen));
    CHECK(with_address(ip("127.77.0.10")).empty());
    CHECK(sys::add_loopback_address(ip("127.77.0.11"), "lo:faas", seen));
    // Nobody has looked since, but the kernel knows.
    CHECK_FALSE(sys::add_loopback_address(ip("127.77.0.11"), "lo:faas", seen));
  });
}

TEST_CASE("an address outside 127/8 can be listened on and reached once it is on lo") {
  in_network_namespace([] {
    sys::bring_up_loopback();
    const Ipv4 address = ip("10.0.0.10");
    CHECK(sys::add_loopback_address(address, "lo:faas"));
    const UniqueFd listener = sys::listen_tcp({address, 0}, 1);
    const UniqueFd client = connect_to(sys::local_endpoint(listener.get()));
    CHECK(client);
    CHECK(sys::remove_loopback_address(address));
  });
}

TEST_CASE("hundreds of addresses come back from one listing") {
  in_network_namespace([] {
    sys::bring_up_loopback();
    constexpr std::uint32_t kCount = 700;
    for (std::uint32_t i = 0; i < kCount; ++i) {
      REQUIRE(sys::add_loopback_address(Ipv4{0x7f4d000a + i}, "lo:faas"));
    }
    const auto all = sys::list_addresses();
    CHECK(std::count_if(all.begin(), all.end(),
                        [](const auto& entry) { return entry.label == "lo:faas"; }) == kCount);
  });
}

TEST_CASE("a label that the kernel would cut short is refused") {
  in_network_namespace([] {
    CHECK_THROWS_AS(sys::add_loopback_address(ip("127.77.0.10"), "lo:a-label-too-long"),
                    std::system_error);
  });
}

TEST_CASE("lo can be brought up again and again") {
  in_network_namespace([] {
    CHECK_NOTHROW(sys::bring_up_loopback());
    CHECK_NOTHROW(sys::bring_up_loopback());
    CHECK(Conversation().accepted);
  });
}

TEST_CASE("the owner of a loopback socket is the uid that made it") {
  in_network_namespace([] {
    sys::bring_up_loopback();
    CHECK(Conversation().owner() == ::geteuid());
    const Conversation other([](const TcpEndpoint& server) {
      ::setfsuid(kNobody);
      UniqueFd fd = connect_to(server);
      ::setfsuid(0);
      return fd;
    });
    CHECK(other.owner() == kNobody);
  });
}

TEST_CASE("a client that speaks IPv4 over an IPv6 socket is found as well") {
  in_network_namespace([] {
    sys::bring_up_loopback();
    const Conversation mapped([](const TcpEndpoint& server) {
      ::setfsuid(kNobody);
      UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
      ::setfsuid(0);
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_port = htons(server.port);
      REQUIRE(::inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.sin6_addr) == 1);
      REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
              0);
      return fd;
    });
    CHECK(mapped.owner() == kNobody);
  });
}

TEST_CASE("a socket that its process has closed has no owner, although the kernel says uid 0") {
  in_network_namespace([] {
    sys::bring_up_loopback();
    Conversation conversation;
    REQUIRE(sys::send_now(conversation.client.get(), "GET / HTTP/1.1\r\n"));
    sys::shutdown_write(conversation.client.get());
    CHECK(conversation.owner().has_value());  // half closed: still somebody's
    conversation.client.reset();
    CHECK_FALSE(conversation.owner().has_value());
  });
}

TEST_CASE("a listener that took over the port of a vanished client is not its owner") {
  in_network_namespace([] {
    sys::bring_up_loopback();
    Conversation conversation;
    const linger reset_on_close{1, 0};
    ::setsockopt(conversation.client.get(), SOL_SOCKET, SO_LINGER, &reset_on_close,
                 sizeof reset_on_close);
    conversation.client.reset();
    const UniqueFd heir = sys::listen_tcp(conversation.peer, 1);
    CHECK_FALSE(conversation.owner().has_value());
  });
}

TEST_CASE("a connection that never was has no owner") {
  in_network_namespace([] {
    sys::bring_up_loopback();
    CHECK_FALSE(sys::tcp_socket_owner(kLoopback, 1, kLoopback, 2).has_value());
  });
}
