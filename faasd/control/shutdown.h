// The end of the daemon: the first signal stops accepting and lets what runs finish, up to the
// drain timeout; a second one, or the timeout, ends what is left. Loop thread.
#pragma once

#include <chrono>
#include <functional>

#include "faasd/serve/dispatcher.h"
#include "oci/sys/event_loop.h"
#include "oci/sys/log.h"

namespace control {

class Shutdown {
 public:
  // `begun` is called once, at the first signal.
  Shutdown(sys::EventLoop& loop, const sys::Log& log, serve::Dispatcher& dispatcher,
           std::chrono::milliseconds drain_timeout, std::function<void()> begun);

  void on_signal(int signal_number);

 private:
  void end_all(const std::string& why);

  sys::EventLoop& loop_;
  const sys::Log& log_;
  serve::Dispatcher& dispatcher_;
  std::chrono::milliseconds drain_timeout_;
  std::function<void()> begun_;
  bool draining_ = false;
  bool ending_ = false;
  sys::EventLoop::Timer timer_;
};

}  // namespace control
