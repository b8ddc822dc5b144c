#include "oci/sys/netlink_exchange.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>

namespace sys {
namespace {

// The kernel fills at most 32 KiB of a dump into one message (netlink_recvmsg, max_recvmsg_len).
constexpr std::size_t kReplyBytes = 32768;
// The kernel answers within the send call itself; the bound is for a kernel that does not answer.
constexpr timeval kReplyTimeout{5, 0};

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

}  // namespace

int exchange(int protocol, const NetlinkRequest& request, const OnMessage& on_message,
             bool* interrupted) {
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

std::string_view find_attribute(const char* payload, std::size_t size, std::size_t fixed,
                                std::uint16_t type) noexcept {
  std::size_t at = NLMSG_ALIGN(fixed);
  while (at + sizeof(rtattr) <= size) {
    rtattr attribute;
    std::memcpy(&attribute, payload + at, sizeof attribute);
    if (attribute.rta_len < RTA_LENGTH(0) || attribute.rta_len > size - at) break;
    if (attribute.rta_type == type) {
      return {payload + at + RTA_LENGTH(0), attribute.rta_len - RTA_LENGTH(0)};
    }
    at += RTA_ALIGN(attribute.rta_len);
  }
  return {};
}

}  // namespace sys
