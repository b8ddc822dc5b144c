// How a verb fails: a message for people and the exit code that scripts rely on. Thrown anywhere in
// the command line, caught once, in command_line.cpp.
#pragma once

#include <stdexcept>
#include <string>

namespace cli {

enum class ExitCode {
  done = 0,
  refused = 1,    // the daemon said no, or a part of the work failed
  usage = 2,      // wrong arguments, or an input that cannot be read
  no_daemon = 3,  // nobody there who speaks faasd's language
};

class Failure : public std::runtime_error {
 public:
  Failure(ExitCode exit_code, const std::string& message)
      : std::runtime_error(message), exit_code_(exit_code) {}

  ExitCode exit_code() const noexcept { return exit_code_; }

 private:
  ExitCode exit_code_;
};

// Wrong arguments, or an input that cannot be read.
[[noreturn]] inline void throw_usage(const std::string& message) {
  throw Failure(ExitCode::usage, message);
}

}  // namespace cli
