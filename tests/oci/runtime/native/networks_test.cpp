// Every case runs on a thread of its own: what it enters, and does there, is nobody else's.
#include "oci/runtime/native/launcher/networks.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/if_ether.h>
#include <linux/in6.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <thread>

#include "oci/sys/file.h"
#include "oci/sys/unique_fd.h"

namespace {

using runtime::native::Networks;
using sys::UniqueFd;

constexpr std::uint32_t kOwner = 7;

void with_networks(const std::function<void(Networks&)>& body) {
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      MESSAGE("skipped: needs root (CAP_SYS_ADMIN) for a network namespace");
      return;
    }
    const UniqueFd proc = sys::open_directory("/proc");
    Networks networks(proc.get());
    body(networks);
  }).join();
}

UniqueFd socket_of(int family, int type) {
  UniqueFd fd(::socket(family, type | SOCK_CLOEXEC, 0));
  REQUIRE(fd);
  return fd;
}

// The kernel never gives the same number to another one.
std::uint64_t network() {
  const UniqueFd fd = socket_of(AF_UNIX, SOCK_STREAM);
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  REQUIRE(::getsockopt(fd.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0);
  return cookie;
}

sockaddr_in at(const char* address) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(9);
  ::inet_pton(AF_INET, address, &name.sin_addr);
  return name;
}

void send_to(const char* address) {
  const UniqueFd fd = socket_of(AF_INET, SOCK_DGRAM);
  const sockaddr_in name = at(address);
  static_cast<void>(
      ::sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&name), sizeof name));
}

void connect_to_myself_in_unix() {
  const UniqueFd listener = socket_of(AF_UNIX, SOCK_STREAM);
  const UniqueFd caller = socket_of(AF_UNIX, SOCK_STREAM);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, "\0mine", 5);
  constexpr socklen_t kSize = sizeof(sa_family_t) + 5;
  const auto* address = reinterpret_cast<const sockaddr*>(&name);
  REQUIRE(::bind(listener.get(), address, kSize) == 0);
  REQUIRE(::listen(listener.get(), 1) == 0);
  REQUIRE(::connect(caller.get(), address, kSize) == 0);
}

void refuse_a_connection() {
  const UniqueFd fd = socket_of(AF_INET, SOCK_STREAM);
  const sockaddr_in name = at("127.0.0.1");
  static_cast<void>(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name));
}

void join(int family) {
  const UniqueFd fd = socket_of(family, SOCK_DGRAM);
  if (family == AF_INET) {
    ip_mreqn group{at("239.1.2.3").sin_addr, at("127.0.0.1").sin_addr, 0};
    REQUIRE(::setsockopt(fd.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) == 0);
  } else {
    ipv6_mreq group{};
    ::inet_pton(AF_INET6, "ff02::1234", &group.ipv6mr_multiaddr);
    group.ipv6mr_interface = 1;
    REQUIRE(::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof group) == 0);
  }
}

// It stays for a second after its socket.
void leave_a_flow_label() {
  const UniqueFd fd = socket_of(AF_INET6, SOCK_DGRAM);
  in6_flowlabel_req request{};
  request.flr_dst.s6_addr[15] = 1;
  request.flr_label = htonl(0x12345);
  request.flr_action = IPV6_FL_A_GET;
  request.flr_share = IPV6_FL_S_ANY;
  request.flr_flags = IPV6_FL_F_CREATE;
  request.flr_linger = 1;
  REQUIRE(::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, &request, sizeof request) == 0);
}

}  // namespace

TEST_CASE("a network in which nothing has been is given again, to the same owner alone") {
  with_networks([](Networks& networks) {
    networks.enter(kOwner);
    const std::uint64_t first = network();
    networks.enter(kOwner + 1);
    CHECK(network() != first);
    networks.enter(std::nullopt);
    CHECK(network() != first);
    networks.enter(kOwner);
    CHECK(network() == first);
    connect_to_myself_in_unix();
    networks.enter(kOwner);
    CHECK(network() == first);
  });
}

TEST_CASE("a network that was used is given to nobody") {
  with_networks([](Networks& networks) {
    UniqueFd alive;
    const std::function<void()> uses[] = {
        [] { send_to("127.0.0.1"); },
        [] { send_to("192.0.2.1"); },  // to which there is no route
        refuse_a_connection,
        leave_a_flow_label,
        [&alive] { alive = socket_of(AF_INET, SOCK_STREAM); },
        [&alive] { alive = socket_of(AF_UNIX, SOCK_STREAM); },
    };
    for (const auto& use : uses) {
      networks.enter(kOwner);
      const std::uint64_t used = network();
      use();
      networks.enter(kOwner);
      CHECK(network() != used);
    }
  });
}

// Without a stop they come within a second: reports of who has joined a group and left it, as
// closing its socket does.
TEST_CASE("what would still happen in a network does not happen to the next one") {
  with_networks([](Networks& networks) {
    networks.enter(kOwner);
    join(AF_INET);
    join(AF_INET6);
    networks.enter(kOwner);
    const UniqueFd listener(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    REQUIRE(listener);
    pollfd packet{listener.get(), POLLIN, 0};
    CHECK(::poll(&packet, 1, 1500) == 0);
  });
}
