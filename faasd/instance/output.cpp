#include "faasd/instance/output.h"

#include <sys/epoll.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "faasd/function/bounds.h"
#include "oci/sys/clock.h"

namespace instance {

using function::bounds::kLoggedLineCost;
using function::bounds::kMaxLoggedLine;

Output::Output(sys::EventLoop& loop, const sys::Log& log, std::shared_ptr<journal::Book> book,
               Origin origin, std::uint64_t most_bytes, Listener listener)
    : log_(log),
      book_(std::move(book)),
      origin_(std::move(origin)),
      most_bytes_(most_bytes),
      listener_(std::move(listener)) {
  sys::Pipe pipe = sys::make_pipe();
  read_end_ = std::move(pipe.read_end);
  write_end_ = std::move(pipe.write_end);
  sys::set_nonblocking(read_end_.get(), true);
  watch_ = loop.watch(read_end_.get(), EPOLLIN, [this](auto) {
    if (!read_some()) watch_.reset();
  });
}

bool Output::read_some() {
  bool ended = false;
  read_once(ended);
  return !ended;
}

std::size_t Output::read_once(bool& ended) {
  char buffer[16384];
  const sys::ReadResult result = sys::read_now(read_end_.get(), buffer, sizeof buffer);
  ended = result.ended;
  if (listener_ && result.bytes > 0) listener_({buffer, result.bytes});
  take({buffer, result.bytes});
  return result.bytes;
}

void Output::take(std::string_view bytes) {
  while (!bytes.empty()) {
    if (kept_bytes_ >= most_bytes_) {
      dropped_bytes_ += bytes.size();
      return;
    }
    if (line_.size() == kMaxLoggedLine && bytes.front() != '\n') {
      keep_line();  // the rest of it is another one
      continue;
    }
    const std::size_t room = kMaxLoggedLine - line_.size();
    const std::string_view part = bytes.substr(0, std::min(bytes.find('\n'), room));
    line_ += part;
    bytes.remove_prefix(part.size());
    if (bytes.empty() || bytes.front() != '\n') continue;
    bytes.remove_prefix(1);
    keep_line();
  }
}

void Output::keep_line() {
  kept_bytes_ += line_.size() + kLoggedLineCost;
  log_.debug("output", {{"function", origin_.function},
                        {"instance", origin_.instance},
                        {"stream", origin_.stream},
                        {"line", line_}});
  add(std::move(line_), 0);
  line_.clear();
}

void Output::add(std::string text, std::size_t dropped_bytes) {
  const auto now = std::chrono::system_clock::now();
  const std::size_t bytes = text.size() + kLoggedLineCost;
  book_->add(journal::Kind::output, bytes,
             [now, instance = origin_.instance, stream = origin_.stream, text = std::move(text),
              dropped_bytes] {
               nlohmann::ordered_json record = {{"time", sys::rfc3339(now)},
                                                {"instance", instance},
                                                {"stream", stream},
                                                {"text", text}};
               if (dropped_bytes > 0) record["dropped_bytes"] = dropped_bytes;
               return record;
             });
}

void Output::finish() {
  if (finished_) return;
  finished_ = true;
  watch_.reset();
  write_end_.reset();
  // At most what a pipe holds, with some room: nobody writes any more, unless a descriptor was
  // smuggled out of the container.
  for (int turn = 0; turn < 8; ++turn) {
    bool ended = false;
    if (read_once(ended) == 0) break;
  }
  if (!line_.empty()) keep_line();
  if (dropped_bytes_ > 0) {
    add("", dropped_bytes_);
    log_.debug("output_cut", {{"function", origin_.function},
                              {"instance", origin_.instance},
                              {"stream", origin_.stream},
                              {"kept_bytes", kept_bytes_},
                              {"dropped_bytes", dropped_bytes_}});
  }
  read_end_.reset();
}

}  // namespace instance
