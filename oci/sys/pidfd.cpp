#include "oci/sys/pidfd.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <sstream>
#include <string>
#include <system_error>

#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/socket.h"

namespace sys {
namespace {

constexpr std::size_t kMaxChildren = 1u << 20;  // a number and a space each, of all pids there are

}  // namespace

std::optional<UniqueFd> open_pidfd(pid_t pid) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (fd) return fd;
  if (errno == ESRCH || errno == EINVAL) return std::nullopt;
  throw_errno("pidfd_open " + std::to_string(pid));
}

bool send_signal(int pidfd, int signal_number) noexcept {
  return ::syscall(SYS_pidfd_send_signal, pidfd, signal_number, nullptr, 0) == 0;
}

bool has_ended(int pidfd) noexcept {
  pollfd ended{pidfd, POLLIN, 0};
  return ::poll(&ended, 1, 0) == 1;
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

std::vector<pid_t> zombie_children() {
  const std::string leader = std::to_string(::getpid());
  std::istringstream children(read_file("/proc/self/task/" + leader + "/children", kMaxChildren));
  std::vector<pid_t> zombies;
  for (pid_t child = 0; children >> child;) {
    siginfo_t info{};
    const int waited =
        ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT);
    if (waited == 0 && info.si_pid == child) zombies.push_back(child);
  }
  std::sort(zombies.begin(), zombies.end());
  return zombies;
}

void reap(pid_t child) noexcept {
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG);
}

}  // namespace sys
