#include "oci/sys/netlink.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>

#include "oci/sys/error.h"
#include "oci/sys/unique_fd.h"

namespace sys {
namespace {

constexpr unsigned char kHostPrefix = 32;
// The kernel fills at most 32 KiB of a dump into one message (netlink_recvmsg, max_recvmsg_len).
constexpr std::size_t kReplyBytes = 32768;
constexpr std::size_t kRequestBytes = 256;  // a header, a fixed part and three short attributes
// The kernel answers within the send call itself; the bound is for a kernel that does not answer.
constexpr timeval kReplyTimeout{5, 0};
// A dump that raced with a change says so and is asked for again.
constexpr int kDumpAttempts = 16;

// One request: a netlink header, the fixed part of its type, and attributes.
class Request {
 public:
  template <typename Fixed>
  Request(std::uint16_t type, std::uint16_t flags, const Fixed& fixed) {
    static_assert(NLMSG_SPACE(sizeof(Fixed)) <= kRequestBytes);
    nlmsghdr header{};
    header.nlmsg_len = NLMSG_LENGTH(sizeof fixed);
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    std::memcpy(bytes_.data(), &header, sizeof header);
    std::memcpy(bytes_.data() + NLMSG_HDRLEN, &fixed, sizeof fixed);
    size_ = NLMSG_SPACE(sizeof fixed);
  }

  void add(std::uint16_t type, const void* data, std::size_t size) {
    if (size_ + RTA_SPACE(size) > bytes_.size()) throw_errno(EMSGSIZE, "build a netlink request");
    const rtattr attribute{static_cast<std::uint16_t>(RTA_LENGTH(size)), type};
    std::memcpy(bytes_.data() + size_, &attribute, sizeof attribute);
    std::memcpy(bytes_.data() + size_ + RTA_LENGTH(0), data, size);
    size_ += RTA_SPACE(size);
    const auto length = static_cast<std::uint32_t>(size_);
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
  }

  const char* data() const { return bytes_.data(); }
  std::size_t size() const { return size_; }

 private:
  alignas(nlmsghdr) std::array<char, kRequestBytes> bytes_{};
  std::size_t size_ = 0;
};

// A payload of a reply; the pointer is valid during the callback.
using OnMessage = std::function<void(const nlmsghdr&, const char* payload, std::size_t size)>;

UniqueFd open_netlink(int protocol) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd) throw_errno("open a netlink socket");
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kReplyTimeout, sizeof kReplyTimeout) != 0) {
    throw_errno("set a netlink timeout");
  }
  return fd;
}

std::size_t receive(int fd, std::array<char, kReplyBytes>& buffer) {
  for (;;) {
    sockaddr_nl sender{};
    iovec data{buffer.data(), buffer.size()};
    msghdr header{};
    header.msg_name = &sender;
    header.msg_namelen = sizeof sender;
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    const ssize_t n = ::recvmsg(fd, &header, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("receive a netlink reply");
    if (header.msg_flags & MSG_TRUNC) throw_errno(EMSGSIZE, "receive a netlink reply");
    if (sender.nl_pid == 0) return static_cast<std::size_t>(n);  // only the kernel is believed
  }
}

// Sends the request and gives every message of the answer to `on_message`. Returns the errno the
// kernel answered with, 0 for none; `interrupted` is set if a dump has to be repeated.
int exchange(int protocol, const Request& request, const OnMessage& on_message,
             bool* interrupted = nullptr) {
  const UniqueFd fd = open_netlink(protocol);
  if (::send(fd.get(), request.data(), request.size(), 0) < 0) throw_errno("send to netlink");
  alignas(nlmsghdr) std::array<char, kReplyBytes> buffer;
  for (;;) {
    std::size_t left = receive(fd.get(), buffer);
    bool more = false;
    const char* at = buffer.data();
    while (left >= sizeof(nlmsghdr)) {
      nlmsghdr header;
      std::memcpy(&header, at, sizeof header);
      if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > left) {
        throw_errno(EBADMSG, "read a netlink reply");
      }
      const std::size_t size = header.nlmsg_len - NLMSG_HDRLEN;
      if (interrupted != nullptr && (header.nlmsg_flags & NLM_F_DUMP_INTR)) *interrupted = true;
      if (header.nlmsg_type == NLMSG_DONE) return 0;
      if (header.nlmsg_type == NLMSG_ERROR) {
        int error = 0;
        if (size < sizeof error) throw_errno(EBADMSG, "read a netlink reply");
        std::memcpy(&error, at + NLMSG_HDRLEN, sizeof error);
        return -error;
      }
      on_message(header, at + NLMSG_HDRLEN, size);
      more = more || (header.nlmsg_flags & NLM_F_MULTI) != 0;
      const std::size_t step = std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), left);
      at += step;
      left -= step;
    }
    if (!more) return 0;
  }
}

void ignore_message(const nlmsghdr&, const char*, std::size_t) {}

unsigned loopback_index() {
  const unsigned index = ::if_nametoindex("lo");
  if (index == 0) throw_errno("find the interface lo");
  return index;
}

Request address_request(std::uint16_t type, std::uint16_t flags, Ipv4 address) {
  ifaddrmsg message{};
  message.ifa_family = AF_INET;
  message.ifa_prefixlen = kHostPrefix;
  message.ifa_scope = RT_SCOPE_HOST;
  message.ifa_index = loopback_index();
  Request request(type, static_cast<std::uint16_t>(NLM_F_ACK | flags), message);
  const std::uint32_t bits = htonl(address.bits);
  request.add(IFA_LOCAL, &bits, sizeof bits);
  request.add(IFA_ADDRESS, &bits, sizeof bits);
  return request;
}

// IFA_LOCAL is the interface's own address; IFA_ADDRESS is the peer's on a point-to-point link.
LoopbackAddress parse_address(const char* payload, std::size_t size) {
  LoopbackAddress result;
  std::size_t at = NLMSG_ALIGN(sizeof(ifaddrmsg));
  while (at + sizeof(rtattr) <= size) {
    rtattr attribute;
    std::memcpy(&attribute, payload + at, sizeof attribute);
    if (attribute.rta_len < RTA_LENGTH(0) || attribute.rta_len > size - at) break;
    const char* data = payload + at + RTA_LENGTH(0);
    const std::size_t length = attribute.rta_len - RTA_LENGTH(0);
    if (attribute.rta_type == IFA_LOCAL && length == sizeof(std::uint32_t)) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, data, sizeof bits);
      result.address.bits = ntohl(bits);
    } else if (attribute.rta_type == IFA_LABEL) {
      result.label.assign(data, ::strnlen(data, length));
    }
    at += RTA_ALIGN(attribute.rta_len);
  }
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
  if (label.size() >= IFNAMSIZ) throw_errno(ENAMETOOLONG, "label " + label + " for an address");
  // The kernel refuses a second address only if its prefix is the same too, and looks at one
  // interface: 10.0.0.5/24 on eth0 would be shadowed without a word.
  for (const LoopbackAddress& present : list_addresses()) {
    if (present.address == address) return false;
  }
  Request request = address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address);
  request.add(IFA_LABEL, label.c_str(), label.size() + 1);
  const int error = exchange(NETLINK_ROUTE, request, ignore_message);
  if (error == EEXIST) return false;
  if (error != 0) throw_errno(error, "add address " + address.to_string() + " to lo");
  return true;
}

bool remove_loopback_address(Ipv4 address) {
  const Request request = address_request(RTM_DELADDR, 0, address);
  const int error = exchange(NETLINK_ROUTE, request, ignore_message);
  if (error == EADDRNOTAVAIL) return false;
  if (error != 0) throw_errno(error, "remove address " + address.to_string() + " from lo");
  return true;
}

std::vector<LoopbackAddress> list_addresses() {
  ifaddrmsg message{};
  message.ifa_family = AF_INET;
  const Request request(RTM_GETADDR, NLM_F_DUMP, message);
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

void bring_up_loopback() {
  ifinfomsg message{};
  message.ifi_family = AF_UNSPEC;
  message.ifi_index = static_cast<int>(loopback_index());
  message.ifi_flags = IFF_UP;
  message.ifi_change = IFF_UP;
  const Request request(RTM_SETLINK, NLM_F_ACK, message);
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
  const Request request(SOCK_DIAG_BY_FAMILY, 0, message);
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
