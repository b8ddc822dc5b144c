#include "faas-cli/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>

namespace cli {
namespace {

constexpr int kInterruptedExitCode = 128 + SIGINT;

std::atomic<const char*> last_line = nullptr;
std::atomic<bool> noted = false;
static_assert(std::atomic<const char*>::is_always_lock_free, "a signal handler reads it");

void write_to_stderr(const char* text) noexcept {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, std::strlen(text));
}

extern "C" void on_interrupt(int) {
  if (::isatty(STDERR_FILENO) == 1) write_to_stderr("\n");
  if (const char* line = last_line) write_to_stderr(line);
  ::_exit(kInterruptedExitCode);
}

extern "C" void on_noted_interrupt(int) {
  noted = true;
}

void handle_interrupts(void (*handler)(int)) {
  struct sigaction current {};
  ::sigaction(SIGINT, nullptr, &current);
  if (current.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = handler;
  ::sigaction(SIGINT, &action, nullptr);
}

}  // namespace

void exit_on_interrupt() {
  handle_interrupts(on_interrupt);
}

void note_interrupts() {
  handle_interrupts(on_noted_interrupt);
}

void exit_if_interrupted() {
  if (noted) on_interrupt(SIGINT);
}

void say_on_interrupt(const char* line) noexcept {
  last_line = line;
}

}  // namespace cli
