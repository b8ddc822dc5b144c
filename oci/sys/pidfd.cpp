#include "oci/sys/pidfd.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "oci/sys/error.h"

namespace sys {

std::optional<UniqueFd> open_pidfd(pid_t pid) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (fd) return fd;
  if (errno == ESRCH || errno == EINVAL) return std::nullopt;
  throw_errno("pidfd_open " + std::to_string(pid));
}

bool send_signal(int pidfd, int signal_number) noexcept {
  return ::syscall(SYS_pidfd_send_signal, pidfd, signal_number, nullptr, 0) == 0;
}

std::optional<UniqueFd> take_fd(int pidfd, int fd) {
  UniqueFd taken(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd, fd, 0)));
  if (!taken) return std::nullopt;
  return taken;
}

void become_subreaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) throw_errno("prctl PR_SET_CHILD_SUBREAPER");
}

void reap_stray(pid_t& candidate) noexcept {
  siginfo_t info{};
  if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) info.si_pid = 0;
  if (info.si_pid != 0 && info.si_pid == candidate) {
    ::waitid(P_PID, static_cast<id_t>(candidate), &info, WEXITED | WNOHANG);
    candidate = 0;
  } else {
    candidate = info.si_pid;
  }
}

}  // namespace sys
