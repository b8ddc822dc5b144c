// Reaps children that nobody waits for: what a runtime that was killed left to us, the subreaper.
// Looks now and then; whoever owns a child waits for it long before. Loop thread.
#pragma once

#include <sys/types.h>

#include "oci/sys/event_loop.h"

namespace sys {

class StrayReaper {
 public:
  explicit StrayReaper(EventLoop& loop);

 private:
  void look();

  EventLoop& loop_;
  pid_t candidate_ = 0;
  EventLoop::Timer timer_;
};

}  // namespace sys
