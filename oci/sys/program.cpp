#include "oci/sys/program.h"

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <system_error>

#include "oci/sys/error.h"
#include "oci/sys/subprocess.h"
#include "oci/sys/unique_fd.h"

namespace sys {
namespace {

// The longest output that is looked at is a Debian changelog.
constexpr std::size_t kOutputBytesMax = 4 << 20;
constexpr std::chrono::seconds kProgramTimeout{5};

using Clock = std::chrono::steady_clock;

int milliseconds_until(Clock::time_point deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(left > 0 ? left : 0);
}

bool is_ready(int fd, Clock::time_point deadline) {
  pollfd polled{fd, POLLIN, 0};
  return ::poll(&polled, 1, milliseconds_until(deadline)) > 0;
}

}  // namespace

std::optional<ProgramResult> run_program(const std::vector<std::string>& argv) {
  const auto deadline = Clock::now() + kProgramTimeout;
  Pipe pipe = make_pipe();
  SubprocessOptions options;
  options.argv = argv;
  options.stdout_fd = pipe.write_end.get();
  ProgramResult result;
  try {
    Subprocess child(options);
    pipe.write_end.reset();
    char buffer[16384];
    while (result.output.size() < kOutputBytesMax && is_ready(pipe.read_end.get(), deadline)) {
      const ssize_t count = ::read(pipe.read_end.get(), buffer, sizeof buffer);
      if (count <= 0) break;
      result.output.append(buffer, static_cast<std::size_t>(count));
    }
    pipe.read_end.reset();  // a program that still writes ends by SIGPIPE
    if (!is_ready(child.pidfd(), deadline)) return std::nullopt;  // killed by its destructor
    result.success = child.wait().success();
  } catch (const std::system_error&) {
    return std::nullopt;
  }
  return result;
}

std::filesystem::path find_own_program(const std::string& name) {
  const std::filesystem::path directory =
      std::filesystem::read_symlink("/proc/self/exe").parent_path();
  for (const char* place : {".", "../libexec/faasd"}) {
    std::filesystem::path path = (directory / place / name).lexically_normal();
    if (std::filesystem::exists(path)) return path;
  }
  throw Refused(Refusal::failed, "missing_program",
                name + " is neither beside this program in " + directory.string() +
                    " nor in its libexec/faasd: install it again");
}

}  // namespace sys
