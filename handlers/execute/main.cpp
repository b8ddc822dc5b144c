// faas-execute: receives a connection as any handler does, and runs a program for the one request
// on it: several files, perhaps a compiler, standard input. README.md has the protocol. It is
// process 1 of its container, in place of what the image would start.
//
// The program runs as the same user. It cannot trace this process or reach its memory and
// descriptors, because it is not dumpable (ptrace(2), access mode checking), nor can it signal it,
// because it is process 1. What is left to it is to lower this process's limits (prlimit(2)) and to
// use up what the container has: then it loses its own result, and nobody else anything.
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "handlers/execute/answer.h"
#include "handlers/execute/http.h"
#include "handlers/execute/stage.h"
#include "handlers/receiver/receive_socket.h"

namespace {

constexpr int kExitNoConnection = 111;

int fail(const std::string& what, int exit_code) {
  const std::string line = "faas-execute: " + what + "\n";
  const ssize_t ignored = ::write(STDERR_FILENO, line.data(), line.size());
  (void)ignored;  // nobody reads it
  return exit_code;
}

}  // namespace

int main() try {
  ::prctl(PR_SET_DUMPABLE, 0);
  execute::begin();
  const char* failed = nullptr;
  const int connection = ::receive_socket(&failed);
  if (connection < 0) {
    return fail(std::string(failed) + ": " + std::strerror(errno), kExitNoConnection);
  }
  execute::answer(connection);
  execute::finish(connection);
  return 0;
} catch (const execute::ClientGone&) {
  return 0;  // whatever still runs ends with this process
} catch (const std::exception& error) {
  return fail(error.what(), 1);
}
