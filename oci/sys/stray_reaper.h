// Makes this process the parent of orphans below it (pidfd.h), and reaps those that nobody waits
// for: what a runtime that was killed left to us. Looks now and then; whoever owns a child waits
// for it long before. Make it before the first child. Loop thread.
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
