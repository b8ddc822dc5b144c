#include "oci/sys/subprocess.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "oci/sys/error.h"
#include "oci/sys/pidfd.h"

namespace sys {
namespace {

constexpr int kLowPriority = 10;
// Descriptors that a child may have, from 0 on.
constexpr int kTargets = 4;

// posix_spawn's two attribute objects, freed at scope end.
class SpawnActions {
 public:
  SpawnActions() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  ~SpawnActions() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  void redirect(int from, int to) {
    const int error =
        from < 0 ? ::posix_spawn_file_actions_addopen(&actions_, to, "/dev/null", O_RDWR, 0)
                 : ::posix_spawn_file_actions_adddup2(&actions_, from, to);
    if (error != 0) throw_errno(error, "prepare a child's descriptors");
  }

  // The daemon blocks and ignores signals; its children must not.
  void default_signals() {
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    add_flags(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }

  // setpriority(2) reaches all threads of a process only through its group.
  void own_group() {
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    add_flags(POSIX_SPAWN_SETPGROUP);
  }

  posix_spawn_file_actions_t* actions() { return &actions_; }
  posix_spawnattr_t* attributes() { return &attributes_; }

 private:
  void add_flags(int flags) {
    flags_ |= flags;
    ::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags_));
  }

  int flags_ = 0;
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// Each of them is replaced in order, so a source among them could be overwritten before its turn.
UniqueFd above_targets(int fd) {
  if (fd < 0 || fd >= kTargets) return {};
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, kTargets));
  if (!copy) throw_errno("duplicate a file descriptor");
  return copy;
}

ExitStatus status_of(const siginfo_t& info) {
  return {info.si_code != CLD_EXITED, info.si_status};
}

}  // namespace

std::vector<char*> c_strings(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  // exec never writes to them; its signature predates const.
  for (const std::string& s : strings) pointers.push_back(const_cast<char*>(s.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::string ExitStatus::describe() const {
  if (!signaled) return "exit status " + std::to_string(value);
  return "signal " + std::to_string(value) + " (" + ::strsignal(value) + ")";
}

ExitStatus wait_for_exit(int pidfd) {
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED) != 0) {
    if (errno != EINTR) throw_errno("wait for a child process");
  }
  return status_of(info);
}

std::optional<ExitStatus> poll_exit(int pidfd) {
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) != 0) {
    throw_errno("wait for a child process");
  }
  if (info.si_pid == 0) return std::nullopt;
  return status_of(info);
}

void set_group_priority(pid_t group, int nice) noexcept {
  static const int own = ::getpriority(PRIO_PROCESS, 0);
  ::setpriority(PRIO_PGRP, static_cast<id_t>(group), own + nice);
}

Subprocess::Subprocess(const SubprocessOptions& options) {
  SpawnActions spawn;
  spawn.default_signals();
  if (options.low_priority) spawn.own_group();
  const int fds[] = {options.stdin_fd, options.stdout_fd, options.stderr_fd, options.fourth_fd};
  UniqueFd copies[std::size(fds)];
  for (int target = 0; target < kTargets; ++target) {
    if (target > STDERR_FILENO && fds[target] < 0) continue;
    copies[target] = above_targets(fds[target]);
    spawn.redirect(copies[target] ? copies[target].get() : fds[target], target);
  }
  const std::vector<char*> argv = c_strings(options.argv);
  const std::vector<char*> env = c_strings(options.env);
  const int error =
      ::posix_spawnp(&pid_, argv[0], spawn.actions(), spawn.attributes(), argv.data(), env.data());
  if (error != 0) throw_errno(error, "start " + options.argv.at(0));
  if (options.low_priority) set_group_priority(pid_, kLowPriority);
  // Our own child, not yet reaped: the number cannot have been recycled.
  std::optional<UniqueFd> pidfd = open_pidfd(pid_);
  if (!pidfd) throw_errno(ESRCH, "pidfd_open of " + options.argv.at(0));
  pidfd_ = std::move(*pidfd);
}

Subprocess::Subprocess(Subprocess&& other) noexcept
    : pid_(other.pid_), pidfd_(std::move(other.pidfd_)) {}

Subprocess::~Subprocess() {
  if (!pidfd_) return;
  kill();
  try {
    wait();
  } catch (const std::exception&) {
    // Already reaped by somebody else: then nothing is left to do.
  }
}

void Subprocess::kill() const noexcept {
  if (pidfd_) send_signal(pidfd_.get(), SIGKILL);
}

ExitStatus Subprocess::wait() {
  const ExitStatus status = wait_for_exit(pidfd_.get());
  pidfd_.reset();
  return status;
}

std::optional<ExitStatus> Subprocess::poll() {
  const std::optional<ExitStatus> status = poll_exit(pidfd_.get());
  if (status) pidfd_.reset();
  return status;
}

}  // namespace sys
