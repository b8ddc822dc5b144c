#include "oci/sys/pidfd.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

#include "oci/sys/error.h"
#include "oci/sys/socket.h"

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

SocketName name_of_socket(int fd) noexcept {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return {};
  return {st.st_ino, socket_cookie(fd)};
}

std::optional<UniqueFd> take_socket(pid_t pid, const SocketName& socket, std::size_t& budget) {
  const std::optional<UniqueFd> process = open_pidfd(pid);
  if (!process) return std::nullopt;
  const std::string link = "socket:[" + std::to_string(socket.inode) + "]";
  const std::filesystem::path directory = "/proc/" + std::to_string(pid) + "/fd";
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    if (budget == 0) return std::nullopt;
    --budget;
    std::error_code gone;
    if (std::filesystem::read_symlink(it->path(), gone) != link) continue;
    std::optional<UniqueFd> taken = take_fd(process->get(), std::stoi(it->path().filename()));
    // The descriptor may have become another one since the link was read.
    if (taken && socket_cookie(taken->get()) == socket.cookie) return taken;
  }
  return std::nullopt;
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
