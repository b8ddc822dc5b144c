// What an instance writes to stdout or stderr: one record of its function's journal for each line,
// cut at a bound, the rest read and dropped so that the handler never blocks. One object per
// stream, on the event-loop thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "faasd/journal/journal.h"
#include "oci/sys/event_loop.h"
#include "oci/sys/log.h"
#include "oci/sys/unique_fd.h"

namespace instance {

class Output {
 public:
  // Hears every byte as it comes, those that are not kept too.
  using Listener = std::function<void(std::string_view bytes)>;

  // Whose it is. `stream` is "stdout" or "stderr" and must be a literal.
  struct Origin {
    std::string function;
    std::string instance;
    std::string_view stream;
  };

  // The daemon's log has the lines too, at level debug. Of all lines `most_bytes` are kept.
  Output(sys::EventLoop& loop, const sys::Log& log, std::shared_ptr<journal::Book> book,
         Origin origin, std::uint64_t most_bytes, Listener listener = nullptr);

  // The end for the child. Close it after the launch, or the end of the stream never comes.
  int write_end() const noexcept { return write_end_.get(); }
  void close_write_end() noexcept { write_end_.reset(); }

  // Reads what is still there, keeps an unfinished line, stops watching: the container is gone.
  void finish();

 private:
  bool read_some();  // false when there is nothing (more)
  std::size_t read_once(bool& ended);
  void take(std::string_view bytes);
  void keep_line();
  void add(std::string text, std::size_t dropped_bytes);

  const sys::Log& log_;
  std::shared_ptr<journal::Book> book_;
  Origin origin_;
  sys::UniqueFd read_end_;
  sys::UniqueFd write_end_;
  std::string line_;
  std::uint64_t most_bytes_;
  Listener listener_;
  std::uint64_t kept_bytes_ = 0;
  std::size_t dropped_bytes_ = 0;
  bool finished_ = false;
  sys::EventLoop::Watch watch_;
};

}  // namespace instance
