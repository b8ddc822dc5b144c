// A thread that runs an EventLoop. Made and destroyed by one thread, which is another.
#pragma once

#include <functional>
#include <thread>

#include "oci/sys/event_loop.h"

namespace sys {

class LoopThread {
 public:
  // `loop` outlives this. `begin` runs on the new thread before the loop, `end` after it. Returns
  // when `begin` has, and throws what it throws; then there is no thread, and `end` is not called.
  LoopThread(EventLoop& loop, std::function<void()> begin, std::function<void()> end);
  ~LoopThread();  // stops the loop, and waits for `end`
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

 private:
  EventLoop& loop_;
  std::thread thread_;
};

}  // namespace sys
