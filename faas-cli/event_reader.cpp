#include "faas-cli/event_reader.h"

#include <optional>
#include <utility>

#include "faas-cli/failure.h"

namespace cli {
namespace {

// A record of the journal has 256 KiB at most.
constexpr std::size_t kLineBytesMax = 1 << 20;

// What follows "KEY:" and one blank.
std::optional<std::string_view> value_of(std::string_view line, std::string_view key) {
  if (!line.starts_with(key)) return std::nullopt;
  line.remove_prefix(key.size());
  if (line.starts_with(' ')) line.remove_prefix(1);
  return line;
}

}  // namespace

void EventReader::take(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (line_.size() > kLineBytesMax) {
      throw Failure(ExitCode::no_daemon, "the answer is not what faasd would say: an endless line");
    }
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    take_line(std::exchange(line_, {}));
  }
}

void EventReader::take_line(std::string_view line) {
  if (const auto data = value_of(line, "data:")) {
    data_ = *data;
  } else if (const auto name = value_of(line, "event:")) {
    name_ = *name;
  } else if (line.empty() && !data_.empty()) {
    on_event_(name_.empty() ? "message" : name_, data_);
    name_.clear();
    data_.clear();
  }
}

}  // namespace cli
