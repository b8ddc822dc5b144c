#include "faas-cli/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "faas-cli/terminal.h"
#include "faas-cli/units.h"

namespace cli {
namespace {

constexpr std::chrono::milliseconds kRedrawEvery{100};
constexpr int kBarColumnsMax = 30;
constexpr int kBarColumnsMin = 8;
// A rate over less than this is noise.
constexpr double kRateAfterSeconds = 0.2;
constexpr std::string_view kClearLine = "\r\x1b[K";

std::string render_bar(int percent, int columns) {
  const auto inner = static_cast<std::size_t>(columns - 2);
  const std::size_t filled = inner * static_cast<std::size_t>(percent) / 100;
  std::string bar(inner, ' ');
  std::fill_n(bar.begin(), filled, '=');
  if (filled < inner) bar[filled] = '>';
  return "[" + bar + "]";
}

std::string render_rate(const Progress& progress) {
  if (progress.seconds < kRateAfterSeconds) return "";
  const double rate = static_cast<double>(progress.bytes) / progress.seconds;
  return "  " + format_bytes(static_cast<std::uint64_t>(rate)) + "/s";
}

std::string render_upload(const Progress& progress, int columns) {
  const std::string label = "uploading  ";
  if (!progress.total || *progress.total == 0) {
    return label + format_bytes(progress.bytes) + render_rate(progress);
  }
  const std::uint64_t bytes = std::min(progress.bytes, *progress.total);
  const int percent =
      static_cast<int>(100.0 * static_cast<double>(bytes) / static_cast<double>(*progress.total));
  std::string figure = std::to_string(percent) + "%";
  figure.insert(0, 4 - figure.size(), ' ');
  const std::string text = figure + "  " + format_bytes(bytes) + " / " +
                           format_bytes(*progress.total) + render_rate(progress);
  const int room = columns - static_cast<int>(label.size() + text.size()) - 1;
  if (room < kBarColumnsMin) return label + text;
  return label + render_bar(percent, std::min(room, kBarColumnsMax)) + " " + text;
}

void write_to_terminal(int fd, std::string_view text) {
  // A terminal that went away is no reason to fail a deploy.
  [[maybe_unused]] const ssize_t written = ::write(fd, text.data(), text.size());
}

bool understands_escapes() {
  const char* term = std::getenv("TERM");
  return term != nullptr && std::string_view(term) != "dumb";
}

}  // namespace

std::string render_progress(const Progress& progress, int columns) {
  std::string line;
  const auto whole_seconds = static_cast<std::uint64_t>(progress.seconds);
  switch (progress.phase) {
    case Progress::Phase::waiting:
      line = "waiting for the tarball  " + std::to_string(whole_seconds) + " s";
      break;
    case Progress::Phase::uploading:
      line = render_upload(progress, columns);
      break;
    case Progress::Phase::unpacking:
      line = "unpacking  " + format_bytes(progress.bytes) + " sent  " +
             std::to_string(whole_seconds) + " s";
      break;
    case Progress::Phase::packing:
      line = "packing  " + format_bytes(progress.bytes) + render_rate(progress);
      break;
  }
  const auto width = static_cast<std::size_t>(std::max(columns, 0));
  if (line.size() > width) line.resize(width);
  return line;
}

ProgressBar::ProgressBar(int fd, std::optional<std::uint64_t> total, Clock clock)
    : fd_(fd),
      visible_(is_terminal(fd) && understands_escapes()),
      clock_(std::move(clock)),
      phase_start_(clock_()) {
  progress_.total = total;
}

ProgressBar::~ProgressBar() {
  clear();
}

void ProgressBar::enter(Progress::Phase phase) {
  progress_.phase = phase;
  phase_start_ = clock_();
  if (visible_) draw();
}

void ProgressBar::set_bytes(std::uint64_t bytes) {
  progress_.bytes = bytes;
  refresh();
}

void ProgressBar::refresh() {
  if (!visible_) return;
  if (!drawn_ || clock_() - *drawn_ >= kRedrawEvery) draw();
}

void ProgressBar::clear() {
  if (!drawn_) return;
  write_to_terminal(fd_, kClearLine);
  drawn_.reset();
}

void ProgressBar::draw() {
  const auto now = clock_();
  progress_.seconds = std::chrono::duration<double>(now - phase_start_).count();
  // The last column stays free: a full line would wrap on some terminals.
  const std::string line = render_progress(progress_, terminal_columns(fd_) - 1);
  write_to_terminal(fd_, "\r" + line + "\x1b[K");
  drawn_ = now;
}

}  // namespace cli
