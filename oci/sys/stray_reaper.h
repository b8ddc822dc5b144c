// Makes this process the parent of orphans below it (pidfd.h), and reaps those that nobody waits
// for: what a runtime that was killed left to us. Looks now and then; whoever owns a child waits
// for it long before. Make it before the first child. Loop thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <vector>

#include "oci/sys/event_loop.h"

namespace sys {

class StrayReaper {
 public:
  // A child with an owner is reaped within milliseconds: one that is still there at the next look
  // is nobody's.
  explicit StrayReaper(EventLoop& loop,
                       std::chrono::milliseconds interval = std::chrono::seconds(2));

 private:
  void look();

  EventLoop& loop_;
  std::chrono::milliseconds interval_;
  std::vector<pid_t> zombies_;  // that were there at the last look, in order
  EventLoop::Timer timer_;
};

}  // namespace sys
