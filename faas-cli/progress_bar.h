// The line on stderr that shows an upload: bytes, rate, a bar when the size is known, then that the
// daemon unpacks; or how far packing is. Nothing at all when stderr is no terminal. Redraws itself
// at most ten times a second; the destructor takes the line away. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace cli {

struct Progress {
  enum class Phase { waiting, uploading, unpacking, packing };

  Phase phase = Phase::waiting;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> total;
  double seconds = 0;  // of this phase
};

// One line without its end, at most `columns` wide.
std::string render_progress(const Progress& progress, int columns);

class ProgressBar {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  // `fd` is borrowed. `clock` is for tests.
  ProgressBar(int fd, std::optional<std::uint64_t> total,
              Clock clock = std::chrono::steady_clock::now);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void enter(Progress::Phase phase);
  void set_bytes(std::uint64_t bytes);
  void refresh();
  void clear();

 private:
  void draw();

  int fd_;
  bool visible_;
  Clock clock_;
  Progress progress_;
  std::chrono::steady_clock::time_point phase_start_;
  std::optional<std::chrono::steady_clock::time_point> drawn_;
};

}  // namespace cli
