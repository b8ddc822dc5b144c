#include "oci/sys/seccomp_notify.h"

#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "oci/sys/error.h"

namespace sys {
namespace {

SocketCall socket_call(int number) {
  switch (number) {
    case SYS_connect:
      return SocketCall::connect;
    case SYS_bind:
      return SocketCall::bind;
    case SYS_listen:
      return SocketCall::listen;
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
      return SocketCall::send;
    default:
      return SocketCall::none;
  }
}

}  // namespace

std::string_view to_word(SocketCall call) {
  switch (call) {
    case SocketCall::connect:
      return "connect";
    case SocketCall::bind:
      return "bind";
    case SocketCall::listen:
      return "listen";
    case SocketCall::send:
      return "send";
    case SocketCall::none:
      return "another call";
  }
  return "unknown";
}

bool is_call_listener(int fd) noexcept {
  std::uint64_t nobodys = 0;
  return ::ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &nobodys) == 0 || errno == ENOENT;
}

std::optional<TrappedCall> receive_trapped_call(int listener) {
  seccomp_notif notification{};  // the kernel refuses one that is not all zeros
  if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification) != 0) {
    if (errno == ENOENT || errno == EINTR) return std::nullopt;
    throw_errno("SECCOMP_IOCTL_NOTIF_RECV");
  }
  TrappedCall call;
  call.id = notification.id;
  call.thread = static_cast<pid_t>(notification.pid);
  call.what = socket_call(notification.data.nr);
  std::copy_n(std::begin(notification.data.args), call.arguments.size(), call.arguments.begin());
  return call;
}

bool is_pending(int listener, std::uint64_t id) noexcept {
  return ::ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

void answer_call(int listener, std::uint64_t id, int error) noexcept {
  seccomp_notif_resp response{};
  response.id = id;
  response.error = -error;
  ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);  // ENOENT: it waits no more
}

}  // namespace sys
