#include "oci/sys/fd_message.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "oci/sys/error.h"

namespace sys {
namespace {

constexpr std::size_t kControlBytes = CMSG_SPACE(kMaxMessageFds * sizeof(int));

std::vector<UniqueFd> take_fds(msghdr& header) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

// The size of the next message, which stays where it is: a buffer for the longest that may come
// would cost more than most of them.
ssize_t size_of_next(int socket, int flags) {
  ssize_t size = -1;
  do {
    size = ::recv(socket, nullptr, 0, flags | MSG_PEEK | MSG_TRUNC);
    // An end that was closed with something unread is told of first, and once.
  } while (size < 0 && (errno == EINTR || errno == ECONNRESET));
  return size;
}

}  // namespace

MessagePair make_message_pair(std::size_t max_bytes) {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) throw_errno("socketpair");
  MessagePair pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
  // The kernel keeps account of what a message takes, which is more than what it holds.
  const int room = static_cast<int>(2 * max_bytes);
  for (const int fd : fds) {
    if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0) {
      throw_errno("SO_SNDBUFFORCE");
    }
  }
  return pair;
}

bool send_fd_message(int socket, std::string_view bytes, std::span<const int> fds) {
  if (fds.size() > kMaxMessageFds) throw_errno(EINVAL, "send so many descriptors");
  alignas(cmsghdr) char control[kControlBytes];
  iovec data{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
  }
  if (::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return true;
  if (errno == EPIPE || errno == ECONNRESET || errno == EAGAIN) return false;
  throw_errno("send a message");
}

Arrival receive_fd_message(int socket, std::size_t max_bytes, bool wait, FdMessage& message) {
  alignas(cmsghdr) char control[kControlBytes];
  message.fds.clear();
  const int waiting = wait ? 0 : MSG_DONTWAIT;
  const ssize_t size = size_of_next(socket, waiting);
  message.bytes.resize(size > 0 ? std::min(static_cast<std::size_t>(size), max_bytes) : 0);
  iovec data{message.bytes.data(), message.bytes.size()};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t count = size;
  if (count > 0) count = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC | waiting);
  if (count < 0 && errno == EAGAIN) return Arrival::nothing_yet;
  if (count < 0) throw_errno("receive a message");
  if (count <= 0) return Arrival::ended;
  message.fds = take_fds(header);
  if ((header.msg_flags & MSG_CTRUNC) != 0) throw_errno(EMFILE, "receive descriptors");
  if ((header.msg_flags & MSG_TRUNC) != 0) throw_errno(EMSGSIZE, "receive a message");
  return Arrival::message;
}

}  // namespace sys
