// One run of a script, as its clients see it: the lines that it writes, as they come, and its end.
// Filled by a Conversation on the event-loop thread, read by HTTP threads; thread-safe. Kept for a
// while after its end, so that a client that was cut off can hear the rest.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "faasd/instance/instance.h"
#include "faasd/instance/receipt.h"
#include "faasd/script/budget.h"

namespace script {

// What was written up to a line's end, or to the end of all.
struct Line {
  instance::Stream stream = instance::Stream::out;
  std::string text;      // without its end
  bool complete = true;  // a newline followed
};

// Why something of a run was not kept.
enum class Cut {
  none,
  too_much,   // beyond its own bound
  no_memory,  // all runs together have as much as they may
};

// Of a reply; for its client, and for the receipt.
std::string cut_text(Cut why);

struct End {
  std::string reply;  // what came on the script's connection, raw: perhaps nonsense
  Cut reply_cut = Cut::none;
  std::uint64_t dropped_bytes = 0;  // of its output
  Cut output_cut = Cut::none;
  instance::Receipt receipt;
};

class Run {
 public:
  Run(std::size_t most_output_bytes, const std::shared_ptr<Budget>& budget);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  const std::string& id() const noexcept { return id_; }

  // Some lines from number `from` on, and the end once there is one and no line is left; waits up
  // to `patience` for something new.
  struct News {
    std::vector<Line> lines;
    std::shared_ptr<const End> end;
  };
  News wait(std::size_t from, std::chrono::milliseconds patience) const;
  // Waits up to `patience`; empty if it goes on.
  std::shared_ptr<const End> wait_for_end(std::chrono::milliseconds patience) const;
  // All that was written to one stream, byte for byte; to both, line by line as they came.
  std::string text_of(instance::Stream stream) const;
  std::string text() const;
  // What all who follow it are told at its end, made once: it may be as large as the reply.
  const std::string& last_words(const std::function<std::string()>& make) const;
  std::size_t bytes() const;  // of memory, about
  std::optional<std::chrono::steady_clock::time_point> ended_at() const;

  // Who is with it; bounds::kMaxAudiences.
  std::size_t audiences() const noexcept { return audiences_; }
  void add_audience() noexcept { ++audiences_; }
  void remove_audience() noexcept { --audiences_; }

  // Event-loop thread.
  void write(instance::Stream stream, std::string_view bytes);
  // Whether more was written than is kept.
  bool is_full() const;
  // Room for a reply of so many bytes in all. False if there is none.
  bool take_room(std::size_t reply_bytes);
  void finish(End end);

 private:
  std::size_t used_bytes() const noexcept {
    // Both open lines count: nothing is kept that was not counted.
    return kept_bytes_ + open_out_.size() + open_err_.size();
  }
  std::size_t room_for(std::size_t bytes);
  void drop(std::size_t bytes);
  void add_line(instance::Stream stream, bool complete);
  std::string& open_line(instance::Stream stream) noexcept {
    return stream == instance::Stream::out ? open_out_ : open_err_;
  }

  const std::string id_;
  const std::size_t most_bytes_;
  std::atomic<std::size_t> audiences_ = 0;
  mutable std::once_flag last_words_made_;
  mutable std::string last_words_;
  mutable std::mutex mutex_;  // guards all of the below
  mutable std::condition_variable changed_;
  std::vector<Line> lines_;
  std::string open_out_;  // lines that have no end yet
  std::string open_err_;
  Share output_share_;
  Share reply_share_;
  std::size_t kept_bytes_ = 0;
  std::uint64_t dropped_bytes_ = 0;
  Cut output_cut_ = Cut::none;
  std::shared_ptr<const End> end_;
  std::chrono::steady_clock::time_point ended_at_;
};

}  // namespace script
