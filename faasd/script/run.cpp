#include "faasd/script/run.h"

#include <algorithm>

#include "faasd/script/bounds.h"
#include "oci/sys/random.h"

namespace script {
namespace {

using instance::Stream;

// Where to cut at most `room` bytes off the front, not within a character.
std::size_t cut_at(std::string_view bytes, std::size_t room) {
  if (bytes.size() <= room) return bytes.size();
  std::size_t at = room;
  while (at > room - std::min<std::size_t>(room, 3) && (bytes[at] & 0xC0) == 0x80) --at;
  return at == 0 ? room : at;
}

}  // namespace

std::string cut_text(Cut why) {
  if (why == Cut::no_memory) {
    return "all runs together have as much memory for what they print and return as they may; try "
           "again later";
  }
  return "its reply is larger than " + std::to_string(bounds::kMaxReplyBytes) + " bytes";
}

Run::Run(std::size_t most_output_bytes, const std::shared_ptr<Budget>& budget)
    : id_(sys::random_hex(12)),
      most_bytes_(most_output_bytes),
      output_share_(budget, bounds::kOwnBytes),
      reply_share_(budget, bounds::kOwnBytes) {}

bool Run::take_room(std::size_t reply_bytes) {
  const std::lock_guard lock(mutex_);
  return reply_share_.grow_to(reply_bytes) >= reply_bytes;
}

void Run::write(Stream stream, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  std::string& open = open_line(stream);
  while (!bytes.empty()) {
    const std::size_t left = room_for(bytes.size() + bounds::kLineCost);
    if (left == 0) {
      drop(bytes.size());
      break;
    }
    const std::size_t newline = bytes.find('\n');
    const std::size_t room = std::min(left, bounds::kMaxLineBytes - open.size());
    const std::size_t size = cut_at(bytes.substr(0, newline), room);
    open += bytes.substr(0, size);
    bytes.remove_prefix(size);
    if (size == newline) {
      bytes.remove_prefix(1);
      add_line(stream, true);
    } else if (!bytes.empty()) {
      add_line(stream, false);
    }
  }
  changed_.notify_all();
}

// How much of `bytes` may be kept, perhaps more.
std::size_t Run::room_for(std::size_t bytes) {
  const std::size_t used = used_bytes();
  const std::size_t most =
      std::min(output_share_.grow_to(std::min(used + bytes, most_bytes_)), most_bytes_);
  return most - std::min(used, most);
}

void Run::drop(std::size_t bytes) {
  dropped_bytes_ += bytes;
  if (output_cut_ != Cut::none) return;
  output_cut_ = used_bytes() < most_bytes_ ? Cut::no_memory : Cut::too_much;
}

void Run::add_line(Stream stream, bool complete) {
  std::string& open = open_line(stream);
  kept_bytes_ += open.size() + bounds::kLineCost;
  lines_.push_back({stream, std::move(open), complete});
  open.clear();
}

bool Run::is_full() const {
  const std::lock_guard lock(mutex_);
  return dropped_bytes_ > 0;
}

void Run::finish(End end) {
  const std::lock_guard lock(mutex_);
  for (const Stream stream : {Stream::out, Stream::err}) {
    if (!open_line(stream).empty()) add_line(stream, false);
  }
  end.dropped_bytes = dropped_bytes_;
  end.output_cut = output_cut_;
  end_ = std::make_shared<const End>(std::move(end));
  ended_at_ = std::chrono::steady_clock::now();
  changed_.notify_all();
}

Run::News Run::wait(std::size_t from, std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [&] { return end_ || lines_.size() > from; });
  News news;
  std::size_t bytes = 0;
  for (; from < lines_.size(); ++from) {
    bytes += lines_[from].text.size() + bounds::kLineCost;
    if (bytes > bounds::kNewsBytes && !news.lines.empty()) return news;
    news.lines.push_back(lines_[from]);
  }
  news.end = end_;
  return news;
}

const std::string& Run::last_words(const std::function<std::string()>& make) const {
  std::call_once(last_words_made_, [&] { last_words_ = make(); });
  return last_words_;
}

std::shared_ptr<const End> Run::wait_for_end(std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [&] { return end_ != nullptr; });
  return end_;
}

std::string Run::text_of(Stream stream) const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const Line& line : lines_) {
    if (line.stream == stream) text += line.complete ? line.text + "\n" : line.text;
  }
  return text;
}

std::string Run::text() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const Line& line : lines_) text += line.complete ? line.text + "\n" : line.text;
  return text;
}

std::optional<std::chrono::steady_clock::time_point> Run::ended_at() const {
  const std::lock_guard lock(mutex_);
  return end_ ? std::optional(ended_at_) : std::nullopt;
}

std::size_t Run::bytes() const {
  const std::lock_guard lock(mutex_);
  return kept_bytes_ + (end_ ? 2 * end_->reply.size() : 0);  // and as last words
}

}  // namespace script
