// Connections that the daemon itself ends: answered, then closed only after the client's own bytes
// were read and dropped for a while. Closing a TCP socket with unread input resets it, and the
// client would lose the answer (RFC 9112, section 9.6). Bounded in number, time and bytes. Loop
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "oci/sys/event_loop.h"
#include "oci/sys/unique_fd.h"

namespace serve {

class Closing {
 public:
  explicit Closing(sys::EventLoop& loop) : loop_(loop) {}

  // Sends `text` (may be empty: then the socket is just closed) unless a byte has been sent on the
  // connection before. How many bytes of it were sent: all or none.
  std::size_t close(sys::UniqueFd client, const std::string& text);

  std::size_t count() const noexcept { return connections_.size(); }

 private:
  struct Connection {
    sys::UniqueFd fd;
    std::size_t dropped_bytes = 0;
    sys::EventLoop::Timer timer;
    sys::EventLoop::Watch watch;
  };

  void drop_input(std::uint64_t id);
  void end(std::uint64_t id);

  sys::EventLoop& loop_;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, Connection> connections_;
};

}  // namespace serve
