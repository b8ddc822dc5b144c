#include "faas-cli/doctor/probe.h"

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <sstream>
#include <system_error>

#include "oci/sys/file.h"
#include "oci/sys/subprocess.h"
#include "oci/sys/unique_fd.h"

namespace cli::doctor {
namespace {

// The longest of these files is /proc/net/tcp of a busy host.
constexpr std::size_t kTextBytesMax = 32 << 20;
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

std::optional<std::string> read_text(const Host& host, std::string_view path) {
  return sys::read_file_if_exists(host.root / path, kTextBytesMax);
}

std::optional<ProgramResult> run_program(const std::vector<std::string>& argv) {
  const auto deadline = Clock::now() + kProgramTimeout;
  sys::Pipe pipe = sys::make_pipe();
  sys::SubprocessOptions options;
  options.argv = argv;
  options.stdout_fd = pipe.write_end.get();
  ProgramResult result;
  try {
    sys::Subprocess child(options);
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

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream stream{std::string(text)};
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::istringstream stream{std::string(text)};
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::optional<std::string> value_after(std::string_view text, std::string_view key) {
  for (const std::string& line : split_lines(text)) {
    if (!line.starts_with(key)) continue;
    const std::size_t start = line.find_first_not_of(" \t", key.size());
    if (start == std::string::npos) return "";
    return line.substr(start, line.find_last_not_of(" \t\r") + 1 - start);
  }
  return std::nullopt;
}

}  // namespace cli::doctor
