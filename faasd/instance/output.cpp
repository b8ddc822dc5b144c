#include "faasd/instance/output.h"

#include <sys/epoll.h>

#include "faasd/function/bounds.h"

namespace instance {

using function::bounds::kLoggedLineCost;
using function::bounds::kMaxLoggedLine;
using function::bounds::kMaxLoggedOutput;

Output::Output(sys::EventLoop& loop, const sys::Log& log, std::string function,
               std::string instance, std::string_view stream)
    : log_(log), function_(std::move(function)), instance_(std::move(instance)), stream_(stream) {
  sys::Pipe pipe = sys::make_pipe();
  read_end_ = std::move(pipe.read_end);
  write_end_ = std::move(pipe.write_end);
  sys::set_nonblocking(read_end_.get(), true);
  watch_ = loop.watch(read_end_.get(), EPOLLIN, [this](auto) {
    if (!read_some()) watch_.reset();
  });
}

bool Output::read_some() {
  char buffer[16384];
  const sys::ReadResult result = sys::read_now(read_end_.get(), buffer, sizeof buffer);
  take({buffer, result.bytes});
  return !result.ended;
}

void Output::take(std::string_view bytes) {
  while (!bytes.empty()) {
    if (logged_bytes_ >= kMaxLoggedOutput) {
      dropped_bytes_ += bytes.size();
      return;
    }
    const std::size_t newline = bytes.find('\n');
    const std::string_view part = bytes.substr(0, newline);
    line_.append(part.substr(0, kMaxLoggedLine - std::min(line_.size(), kMaxLoggedLine)));
    if (newline == std::string_view::npos) {
      // A line without an end still counts against the bound, or it could be endless.
      logged_bytes_ += part.size();
      return;
    }
    log_line();
    bytes.remove_prefix(newline + 1);
  }
}

void Output::log_line() {
  logged_bytes_ += line_.size() + kLoggedLineCost;
  log_.info(
      "output",
      {{"function", function_}, {"instance", instance_}, {"stream", stream_}, {"line", line_}});
  line_.clear();
}

void Output::finish() {
  if (finished_) return;
  finished_ = true;
  watch_.reset();
  write_end_.reset();
  // At most what a pipe holds, with some room: nobody writes any more, unless a descriptor was
  // smuggled out of the container.
  for (int turn = 0; turn < 8; ++turn) {
    char buffer[16384];
    const sys::ReadResult result = sys::read_now(read_end_.get(), buffer, sizeof buffer);
    take({buffer, result.bytes});
    if (result.bytes == 0) break;
  }
  if (!line_.empty()) log_line();
  if (dropped_bytes_ > 0) {
    log_.warn("output_cut", {{"function", function_},
                             {"instance", instance_},
                             {"stream", stream_},
                             {"kept_bytes", kMaxLoggedOutput},
                             {"dropped_bytes", dropped_bytes_}});
  }
  read_end_.reset();
}

}  // namespace instance
