// Who wants to hear of new lines as they come: a mailbox with a bound. A reader that is too slow
// misses lines and is told how many. Filled by a Series, emptied by one HTTP thread; thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

namespace journal {

class Follower {
 public:
  struct News {
    std::vector<std::string> lines;
    std::size_t missed = 0;  // before these lines
    bool ended = false;      // nothing will come any more
  };

  // What has come since the last call; waits up to `patience` for the first of it.
  News wait(std::chrono::milliseconds patience);

  void put(const std::string& line);
  void end();

 private:
  std::mutex mutex_;  // guards all of the below
  std::condition_variable changed_;
  News news_;
  std::size_t bytes_ = 0;
};

}  // namespace journal
