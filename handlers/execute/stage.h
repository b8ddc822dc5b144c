// A stage of a program's life, compiling or running: one child, watched until it has ended or is
// over a limit; then nothing of it lives on. poll(2), signalfd(2), memfd_create(2). One thread, as
// process 1 of its container; begin() first.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <string>

#include "handlers/execute/child.h"
#include "handlers/execute/program.h"
#include "oci/sys/unique_fd.h"

namespace execute {

// Nobody waits for the result any more.
class ClientGone : public std::exception {};

enum class Cut {
  none,
  timed_out,
  stdout_too_long,
  stderr_too_long,
};

struct Outcome {
  Cut cut = Cut::none;
  int wait_status = 0;  // wait(2)
  int start_error = 0;  // errno of a program that could not be executed
  Usage usage;
  std::chrono::milliseconds wall{0};
  // Of a stage that is captured:
  std::string out;
  std::string err;
  std::string output;  // both, in the order in which they came
};

// Blocks SIGCHLD, which a stage waits for, and ignores SIGPIPE. Throws std::system_error.
void begin();

// Its output is captured, at most `output_bytes` of each stream; its input is empty.
// Both throw ClientGone once `connection` is closed by its other side, and std::system_error if
// there can be no process.
Outcome compile(const Program& program, int connection);

// Its output is ours: what it prints is in faasd's hands. Its input is a file and not a pipe, which
// would have to be read.
Outcome run(Program program, int connection);

}  // namespace execute
