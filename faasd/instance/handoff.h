// Giving an instance its connection: listens behind /control.sock, accepts the handler's one
// connection, passes it the client's socket (or a template its snapshot) with SCM_RIGHTS, and
// notices when the handler has really taken it. Until then the daemon keeps the socket, so that it
// can still answer the client if the handler dies first; from then on it keeps no copy, so that the
// client sees the handler's close. Owned by an Instance, on the event-loop thread. unix(7),
// docs/PROTOCOL.md.
#pragma once

#include <functional>
#include <string_view>

#include "oci/sys/event_loop.h"
#include "oci/sys/unique_fd.h"

namespace instance {

class Handoff {
 public:
  struct Callbacks {
    std::function<void()> connected;  // the handler waits for its socket
    std::function<void()> taken;      // the handler has it
    std::function<void()> left;       // it closed /control.sock without taking one
  };

  Handoff(sys::EventLoop& loop, sys::UniqueFd control_listener, Callbacks callbacks);

  // The connection that this instance is for; sent as soon as the handler is there. Once.
  void give(sys::UniqueFd client);
  // What it is to write its memory to instead.
  void give_snapshot(sys::UniqueFd file);

  // Looks once more whether the handler has taken the socket, before its end is judged: the news of
  // both may arrive together, in either order.
  void settle();

  // The client's socket if the handler has not taken it, else empty.
  sys::UniqueFd reclaim() noexcept { return std::move(client_); }

 private:
  void accept_handler();
  void send();
  void leave();
  void check_delivery();

  sys::EventLoop& loop_;
  Callbacks callbacks_;
  sys::UniqueFd listener_;
  sys::UniqueFd control_;  // the handler's connection
  sys::UniqueFd client_;
  std::string_view message_;
  bool sent_ = false;
  sys::EventLoop::Watch watch_;  // of listener_, then of control_; last: it goes first
};

}  // namespace instance
