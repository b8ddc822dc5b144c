#include "oci/sys/tcp_traffic.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "oci/sys/error.h"
#include "oci/sys/netlink_exchange.h"

namespace sys {
namespace {

// Farewells that wait until the loop has a moment: each takes about 1 KiB of it with the kernel's
// bookkeeping, so this is a burst of a thousand connections.
constexpr int kReceiveBytes = 1 << 20;
// Messages taken in one go, so that a flood of them does not keep the loop.
constexpr int kMessagesPerRead = 256;
constexpr std::size_t kMessageBytes = 4096;  // one is about 400

// An older kernel's tcp_info is shorter; what it lacks stays zero.
Traffic traffic_in(std::string_view bytes) {
  tcp_info info{};
  std::memcpy(&info, bytes.data(), std::min(bytes.size(), sizeof info));
  // tcpi_bytes_acked would count the SYN and the FIN; what was sent counts each try.
  return {info.tcpi_bytes_received, info.tcpi_bytes_sent - info.tcpi_bytes_retrans};
}

TcpEndpoint endpoint_of(std::uint32_t address, std::uint16_t port) {
  return {Ipv4{ntohl(address)}, ntohs(port)};
}

// What one message says of one socket, if it does.
std::optional<Farewell> read_message(const char* payload, std::size_t size) {
  inet_diag_msg message;
  if (size < sizeof message) return std::nullopt;
  std::memcpy(&message, payload, sizeof message);
  const std::string_view info = find_attribute(payload, size, sizeof message, INET_DIAG_INFO);
  if (info.empty()) return std::nullopt;
  const inet_diag_sockid& id = message.id;
  return Farewell{
      {std::uint64_t{id.idiag_cookie[1]} << 32 | id.idiag_cookie[0],
       endpoint_of(id.idiag_src[0], id.idiag_sport), endpoint_of(id.idiag_dst[0], id.idiag_dport)},
      traffic_in(info)};
}

bool same_ends(const Connection& a, const Connection& b) {
  return a.local == b.local && a.remote == b.remote;
}

// Classic BPF over the netlink message: the family and the two addresses of inet_diag_msg, which it
// reads in network byte order.
void keep_only(int fd, Ipv4 first, Ipv4 last) {
  constexpr std::uint32_t kId = NLMSG_HDRLEN + offsetof(inet_diag_msg, id);
  constexpr std::uint32_t kFamily = NLMSG_HDRLEN + offsetof(inet_diag_msg, idiag_family);
  constexpr std::uint32_t kLocal = kId + offsetof(inet_diag_sockid, idiag_src);
  constexpr std::uint32_t kRemote = kId + offsetof(inet_diag_sockid, idiag_dst);
  constexpr std::uint32_t kWhole = 0xffffffff;
  std::array<sock_filter, 10> program = {{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kFamily),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 0, 7),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kLocal),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first.bits, 0, 1),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last.bits, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kRemote),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first.bits, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last.bits, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, kWhole),
      BPF_STMT(BPF_RET | BPF_K, 0),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0) {
    throw_errno("filter the kernel's news of TCP connections");
  }
}

}  // namespace

Connection connection_of(int tcp_socket) noexcept {
  try {
    return {socket_cookie(tcp_socket), local_endpoint(tcp_socket), peer_endpoint(tcp_socket)};
  } catch (const std::exception&) {
    return {};
  }
}

Traffic traffic_of(int tcp_socket) noexcept {
  char info[sizeof(tcp_info)];
  socklen_t size = sizeof info;
  if (::getsockopt(tcp_socket, IPPROTO_TCP, TCP_INFO, info, &size) != 0) return {};
  return traffic_in({info, size});
}

std::optional<Traffic> traffic_of(const Connection& connection) {
  inet_diag_req_v2 question{};
  question.sdiag_family = AF_INET;
  question.sdiag_protocol = IPPROTO_TCP;
  question.idiag_ext = 1 << (INET_DIAG_INFO - 1);
  question.idiag_states = ~0U;
  question.id.idiag_sport = htons(connection.local.port);
  question.id.idiag_dport = htons(connection.remote.port);
  question.id.idiag_src[0] = htonl(connection.local.address.bits);
  question.id.idiag_dst[0] = htonl(connection.remote.address.bits);
  const std::uint64_t cookie = connection.cookie == 0 ? ~std::uint64_t{0} : connection.cookie;
  question.id.idiag_cookie[0] = static_cast<std::uint32_t>(cookie);  // INET_DIAG_NOCOOKIE: ~0
  question.id.idiag_cookie[1] = static_cast<std::uint32_t>(cookie >> 32);
  std::optional<Traffic> answer;
  const auto on_message = [&](const nlmsghdr& header, const char* payload, std::size_t size) {
    if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return;
    const std::optional<Farewell> found = read_message(payload, size);
    // Where the connection has gone the kernel may find the listener on its port instead.
    if (found && same_ends(found->connection, connection)) answer = found->traffic;
  };
  const int error =
      exchange(NETLINK_SOCK_DIAG, NetlinkRequest(SOCK_DIAG_BY_FAMILY, 0, question), on_message);
  if (error == 0 || error == ENOENT || error == ESTALE) return answer;
  throw_errno(error, "ask for the traffic of " + connection.remote.to_string());
}

TcpFarewells::TcpFarewells(Ipv4 first, Ipv4 last)
    : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG)) {
  if (!fd_) throw_errno("open a netlink socket");
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBytes, sizeof kReceiveBytes);
  keep_only(fd_.get(), first, last);  // before the first message can come
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1U << (SKNLGRP_INET_TCP_DESTROY - 1);
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw_errno("ask the kernel for news of TCP connections (CONFIG_INET_TCP_DIAG)");
  }
}

void TcpFarewells::read_some(const std::function<void(const Farewell&)>& on_farewell) {
  alignas(nlmsghdr) std::array<char, kMessageBytes> buffer;
  for (int count = 0; count < kMessagesPerRead; ++count) {
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof sender;
    const ssize_t n = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                 reinterpret_cast<sockaddr*>(&sender), &sender_size);
    if (n < 0 && (errno == EINTR || errno == ENOBUFS)) continue;  // ENOBUFS: some were lost
    if (n < 0) return;
    nlmsghdr header;
    const auto size = static_cast<std::size_t>(n);
    if (sender.nl_pid != 0 || size < NLMSG_HDRLEN) continue;  // only the kernel is believed
    std::memcpy(&header, buffer.data(), sizeof header);
    if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) continue;
    const auto farewell = read_message(buffer.data() + NLMSG_HDRLEN, size - NLMSG_HDRLEN);
    if (farewell) on_farewell(*farewell);
  }
}

}  // namespace sys
