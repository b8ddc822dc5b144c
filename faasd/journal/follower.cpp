#include "faasd/journal/follower.h"

#include <utility>

#include "faasd/function/bounds.h"

namespace journal {

using function::bounds::kMaxFollowerBytes;

Follower::News Follower::wait(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [this] { return news_.ended || !news_.lines.empty(); });
  bytes_ = 0;
  return std::exchange(news_, News{{}, 0, news_.ended});
}

void Follower::put(const std::string& line) {
  {
    const std::lock_guard lock(mutex_);
    if (news_.ended) return;
    if (bytes_ + line.size() > kMaxFollowerBytes) {
      // What waits is the older, and goes: the latest lines are what somebody looks for.
      news_.missed += news_.lines.size();
      news_.lines.clear();
      bytes_ = 0;
    }
    news_.lines.push_back(line);
    bytes_ += line.size();
  }
  changed_.notify_one();
}

void Follower::end() {
  {
    const std::lock_guard lock(mutex_);
    news_.ended = true;
  }
  changed_.notify_one();
}

}  // namespace journal
