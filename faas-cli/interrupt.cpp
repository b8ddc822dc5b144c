#include "faas-cli/interrupt.h"

#include <unistd.h>

#include <csignal>

namespace cli {
namespace {

constexpr int kInterruptedExitCode = 128 + SIGINT;

extern "C" void on_interrupt(int) {
  if (::isatty(STDERR_FILENO) == 1) {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, "\n", 1);
  }
  ::_exit(kInterruptedExitCode);
}

}  // namespace

void exit_on_interrupt() {
  struct sigaction current {};
  ::sigaction(SIGINT, nullptr, &current);
  if (current.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
}

}  // namespace cli
