// How long not to try again what has failed: longer with each failure in a row. One thread.
#pragma once

#include <algorithm>
#include <chrono>

#include "faasd/function/bounds.h"

namespace serve {

class Pause {
 public:
  using Clock = std::chrono::steady_clock;

  bool is_over() const { return Clock::now() >= until_; }
  // How long it is.
  std::chrono::milliseconds begin() {
    using function::bounds::kFillPause;
    using function::bounds::kMaxFillPause;
    constexpr unsigned kDoublings = 7;
    const std::chrono::milliseconds pause = std::min<std::chrono::milliseconds>(
        kMaxFillPause, kFillPause * (1LL << std::min(failures_, kDoublings)));
    ++failures_;
    until_ = Clock::now() + pause;
    return pause;
  }
  // It has not failed.
  void forget() {
    failures_ = 0;
    until_ = {};
  }

 private:
  unsigned failures_ = 0;  // in a row
  Clock::time_point until_;
};

}  // namespace serve
