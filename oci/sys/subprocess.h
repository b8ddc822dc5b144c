// A child process that runs another program: spawned with posix_spawn(3), known by a pidfd, killed
// and reaped by the destructor unless it was waited for. It inherits descriptors 0, 1 and 2 as
// given, 3 if one is given for it and nothing else, no environment but the one given, default
// signals. Any thread may own it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "oci/sys/unique_fd.h"

namespace sys {

// How a process ended: an exit code, or the signal that killed it.
struct ExitStatus {
  bool signaled = false;
  int value = 0;  // exit code or signal number

  bool success() const noexcept { return !signaled && value == 0; }
  std::string describe() const;  // "exit status 3", "signal 9 (Killed)"
};

// waitid(P_PIDFD): blocks until the child has ended, and reaps it.
ExitStatus wait_for_exit(int pidfd);
// The same without blocking; empty while it runs.
std::optional<ExitStatus> poll_exit(int pidfd);

struct SubprocessOptions {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH of `env` if it has no '/'
  std::vector<std::string> env = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  int stdin_fd = -1;  // -1: /dev/null
  int stdout_fd = -1;
  int stderr_fd = -1;
  int fourth_fd = -1;         // -1: none
  bool low_priority = false;  // 10 nicer than this process, and so is what it starts
};

// The array that exec(3) takes; it is good for as long as the strings are.
std::vector<char*> c_strings(const std::vector<std::string>& strings);

// setpriority(PRIO_PGRP), relative to this process; not an error if there is none such.
void set_group_priority(pid_t group, int nice) noexcept;

class Subprocess {
 public:
  // Throws std::system_error that names the program, ENOENT included.
  explicit Subprocess(const SubprocessOptions& options);
  Subprocess(Subprocess&& other) noexcept;
  Subprocess& operator=(Subprocess&&) = delete;
  ~Subprocess();

  pid_t pid() const noexcept { return pid_; }
  int pidfd() const noexcept { return pidfd_.get(); }
  void kill() const noexcept;  // SIGKILL
  ExitStatus wait();
  std::optional<ExitStatus> poll();

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;  // empty once reaped
};

}  // namespace sys
