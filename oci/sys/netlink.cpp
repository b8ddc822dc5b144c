#include "oci/sys/netlink.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "oci/sys/error.h"
#include "oci/sys/netlink_exchange.h"

namespace sys {
namespace {

constexpr unsigned char kHostPrefix = 32;
// A dump that raced with a change says so and is asked for again.
constexpr int kDumpAttempts = 16;

void ignore_message(const nlmsghdr&, const char*, std::size_t) {}

unsigned loopback_index() {
  const unsigned index = ::if_nametoindex("lo");
  if (index == 0) throw_errno("find the interface lo");
  return index;
}

NetlinkRequest address_request(std::uint16_t type, std::uint16_t flags, Ipv4 address) {
  ifaddrmsg message{};
  message.ifa_family = AF_INET;
  message.ifa_prefixlen = kHostPrefix;
  message.ifa_scope = RT_SCOPE_HOST;
  message.ifa_index = loopback_index();
  NetlinkRequest request(type, static_cast<std::uint16_t>(NLM_F_ACK | flags), message);
  const std::uint32_t bits = htonl(address.bits);
  request.add(IFA_LOCAL, &bits, sizeof bits);
  request.add(IFA_ADDRESS, &bits, sizeof bits);
  return request;
}

// IFA_LOCAL is the interface's own address; IFA_ADDRESS is the peer's on a point-to-point link.
LoopbackAddress parse_address(const char* payload, std::size_t size) {
  const auto attribute = [&](std::uint16_t type) {
    return find_attribute(payload, size, sizeof(ifaddrmsg), type);
  };
  LoopbackAddress result;
  std::uint32_t bits = 0;
  if (const std::string_view local = attribute(IFA_LOCAL); local.size() == sizeof bits) {
    std::memcpy(&bits, local.data(), sizeof bits);
    result.address.bits = ntohl(bits);
  }
  const std::string_view label = attribute(IFA_LABEL);
  result.label = label.substr(0, label.find('\0'));
  return result;
}

// What sock_diag says of one socket, if it is the very one that was asked for and somebody has it.
std::optional<uid_t> owner_in(const char* payload, std::size_t size,
                              const inet_diag_sockid& wanted) {
  inet_diag_msg message;
  if (size < sizeof message) return std::nullopt;
  std::memcpy(&message, payload, sizeof message);
  // The kernel's lookup falls back to a listener on the local port when the connection has gone;
  // that listener is somebody else's.
  if (message.id.idiag_sport != wanted.idiag_sport ||
      message.id.idiag_dport != wanted.idiag_dport) {
    return std::nullopt;
  }
  // A socket that its process has closed has no inode, and the kernel reports it with uid 0
  // (sock_i_uid, include/net/sock.h): connect, write, close would make anybody root.
  if (message.idiag_inode == 0) return std::nullopt;
  return message.idiag_uid;
}

}  // namespace

std::string Ipv4::to_string() const {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    text += std::to_string((bits >> shift) & 0xff);
    if (shift > 0) text += '.';
  }
  return text;
}

std::optional<Ipv4> parse_ipv4(std::string_view text) {
  in_addr address{};
  // inet_pton takes four decimal numbers and nothing else; a NUL inside would end its string early.
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  if (::inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) return std::nullopt;
  return Ipv4{ntohl(address.s_addr)};
}

bool add_loopback_address(Ipv4 address, const std::string& label) {
  return add_loopback_address(address, label, present_addresses());
}

bool add_loopback_address(Ipv4 address, const std::string& label, const std::set<Ipv4>& present) {
  if (label.size() >= IFNAMSIZ) throw_errno(ENAMETOOLONG, "label " + label + " for an address");
  // The kernel refuses a second address only if its prefix is the same too, and looks at one
  // interface: 10.0.0.5/24 on eth0 would be shadowed without a word.
  if (present.contains(address)) return false;
  NetlinkRequest request = address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address);
  request.add(IFA_LABEL, label.c_str(), label.size() + 1);
  const int error = exchange(NETLINK_ROUTE, request, ignore_message);
  if (error == EEXIST) return false;
  if (error != 0) throw_errno(error, "add address " + address.to_string() + " to lo");
  return true;
}

bool remove_loopback_address(Ipv4 address) {
  const NetlinkRequest request = address_request(RTM_DELADDR, 0, address);
  const int error = exchange(NETLINK_ROUTE, request, ignore_message);
  if (error == EADDRNOTAVAIL) return false;
  if (error != 0) throw_errno(error, "remove address " + address.to_string() + " from lo");
  return true;
}

std::vector<LoopbackAddress> list_addresses() {
  ifaddrmsg message{};
  message.ifa_family = AF_INET;
  const NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP, message);
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    std::vector<LoopbackAddress> addresses;
    bool interrupted = false;
    const int error = exchange(
        NETLINK_ROUTE, request,
        [&](const nlmsghdr& header, const char* payload, std::size_t size) {
          if (header.nlmsg_type == RTM_NEWADDR) addresses.push_back(parse_address(payload, size));
        },
        &interrupted);
    if (error != 0) throw_errno(error, "list the addresses of this host");
    if (!interrupted) return addresses;
  }
  throw_errno(EAGAIN, "list the addresses of this host, which change all the time");
}

std::set<Ipv4> present_addresses() {
  std::set<Ipv4> present;
  for (const LoopbackAddress& entry : list_addresses()) present.insert(entry.address);
  return present;
}

void bring_up_loopback() {
  ifinfomsg message{};
  message.ifi_family = AF_UNSPEC;
  message.ifi_index = static_cast<int>(loopback_index());
  message.ifi_flags = IFF_UP;
  message.ifi_change = IFF_UP;
  const NetlinkRequest request(RTM_SETLINK, NLM_F_ACK, message);
  const int error = exchange(NETLINK_ROUTE, request, ignore_message);
  if (error != 0) throw_errno(error, "bring up the interface lo");
}

std::optional<uid_t> tcp_socket_owner(Ipv4 local, std::uint16_t local_port, Ipv4 remote,
                                      std::uint16_t remote_port) {
  inet_diag_req_v2 message{};
  message.sdiag_family = AF_INET;  // finds v4-mapped IPv6 sockets as well
  message.sdiag_protocol = IPPROTO_TCP;
  message.idiag_states = ~0U;
  message.id.idiag_sport = htons(local_port);
  message.id.idiag_dport = htons(remote_port);
  message.id.idiag_src[0] = htonl(local.bits);
  message.id.idiag_dst[0] = htonl(remote.bits);
  message.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  message.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  const NetlinkRequest request(SOCK_DIAG_BY_FAMILY, 0, message);
  std::optional<uid_t> owner;
  const int error = exchange(NETLINK_SOCK_DIAG, request,
                             [&](const nlmsghdr& header, const char* payload, std::size_t size) {
                               if (header.nlmsg_type == SOCK_DIAG_BY_FAMILY)
                                 owner = owner_in(payload, size, message.id);
                             });
  if (error == ENOENT) return std::nullopt;
  if (error != 0) {
    throw_errno(error,
                "ask for the owner of " + local.to_string() + ":" + std::to_string(local_port));
  }
  return owner;
}

}  // namespace sys
