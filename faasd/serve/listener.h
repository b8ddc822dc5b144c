// A function's listening socket: accepts, fairly and without spinning when descriptors run out, and
// hands each connection on. Loop thread.
#pragma once

#include <functional>

#include "oci/sys/event_loop.h"
#include "oci/sys/log.h"
#include "oci/sys/unique_fd.h"

namespace serve {

class Listener {
 public:
  Listener(sys::EventLoop& loop, const sys::Log& log, std::string function, sys::UniqueFd fd,
           std::function<void(sys::UniqueFd)> on_connection);

  // Takes the connections that the kernel has completed already, before the socket is closed.
  void accept_pending();

 private:
  void start_watching();
  bool accept_some();  // true if there may be more

  sys::EventLoop& loop_;
  const sys::Log& log_;
  std::string function_;
  sys::UniqueFd fd_;
  std::function<void(sys::UniqueFd)> on_connection_;
  sys::EventLoop::Timer pause_;
  sys::EventLoop::Watch watch_;
};

}  // namespace serve
