// What an instance writes to stdout or stderr: one log line for each of its lines, cut at a bound,
// the rest read and dropped so that the handler never blocks. One object per stream, on the
// event-loop thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "oci/sys/event_loop.h"
#include "oci/sys/log.h"
#include "oci/sys/unique_fd.h"

namespace instance {

class Output {
 public:
  // `stream` is "stdout" or "stderr" and must be a literal.
  Output(sys::EventLoop& loop, const sys::Log& log, std::string function, std::string instance,
         std::string_view stream);

  // The end for the child. Close it after the launch, or the end of the stream never comes.
  int write_end() const noexcept { return write_end_.get(); }
  void close_write_end() noexcept { write_end_.reset(); }

  // Reads what is still there, logs an unfinished line, stops watching: the container is gone.
  void finish();

 private:
  bool read_some();  // false when there is nothing (more)
  void take(std::string_view bytes);
  void log_line();

  const sys::Log& log_;
  std::string function_;
  std::string instance_;
  std::string_view stream_;
  sys::UniqueFd read_end_;
  sys::UniqueFd write_end_;
  std::string line_;
  std::size_t logged_bytes_ = 0;
  std::size_t dropped_bytes_ = 0;
  bool finished_ = false;
  sys::EventLoop::Watch watch_;
};

}  // namespace instance
