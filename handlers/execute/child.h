// One program that is started, in a session of its own. As process 1 of a container, its
// descendants are all other processes there: kill(2) with -1 reaches them, and wait4(2) what they
// leave. fork(2), execve(2). One thread; the caller has SIGCHLD blocked and ignores SIGPIPE.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "handlers/execute/program.h"
#include "oci/sys/unique_fd.h"

namespace execute {

// What was used by a child, its descendants included once they are reaped.
struct Usage {
  std::chrono::microseconds cpu{0};
  std::uint64_t memory_bytes = 0;  // of the largest of them
};

class Child {
 public:
  // The three become its standard streams. Throws std::system_error if there can be no process;
  // a program that cannot be executed is an exit code, as in a shell, and start_error().
  Child(const Arguments& arguments, int stdin_fd, int stdout_fd, int stderr_fd);
  // Whatever happened, nothing of it lives on.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // 0, or why the program could not be executed; the child then ends with 127 or 126.
  int start_error() const noexcept { return start_error_; }

  // Takes the exits that there are, without waiting. True once the child itself has ended.
  bool reap() noexcept;
  // SIGKILL to it and all that it started. Does not wait.
  void kill_all() const noexcept;
  // The same, and waits until they are gone.
  void end() noexcept;

  int wait_status() const noexcept { return wait_status_; }  // wait(2); once it has ended
  const Usage& usage() const noexcept { return usage_; }

 private:
  bool reap_one(int options) noexcept;

  pid_t pid_ = -1;
  int start_error_ = 0;
  int wait_status_ = 0;
  bool ended_ = false;
  Usage usage_;
};

}  // namespace execute
