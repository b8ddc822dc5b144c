// Signals as events: blocked for the whole process and read from a signalfd(2). Make it in main,
// before the first thread starts, because threads inherit the mask. SIGPIPE is ignored from then
// on.
#pragma once

#include <functional>
#include <initializer_list>

#include "oci/sys/event_loop.h"
#include "oci/sys/unique_fd.h"

namespace sys {

class Signals {
 public:
  Signals(std::initializer_list<int> signals);

  // Calls back on the loop's thread with the number of each signal that arrives.
  EventLoop::Watch watch(EventLoop& loop, std::function<void(int)> callback);

 private:
  UniqueFd fd_;
};

}  // namespace sys
