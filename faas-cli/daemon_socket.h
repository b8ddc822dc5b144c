// A connected socket to the daemon, Unix or TCP; the only file of the command line that makes
// socket calls. One thread. The constructor throws Failure(no_daemon) that says what was tried and
// what to do; the rest reports through its results. unix(7), tcp(7).
#pragma once

#include <chrono>
#include <cstddef>

#include "faas-cli/endpoint.h"
#include "oci/sys/unique_fd.h"

namespace cli {

class DaemonSocket {
 public:
  explicit DaemonSocket(const Endpoint& endpoint);

  int fd() const noexcept { return fd_.get(); }

  enum class Ready { nothing, to_read, to_write, input };
  // Waits until the socket has something to read (an answer or its end), or may be written
  // (`want_write`), or `input_fd` (if not -1) has something; in this order of preference.
  Ready wait(bool want_write, int input_fd, std::chrono::milliseconds timeout) const;

  // Bytes sent, 0 if it would block, -1 if the daemon takes no more.
  std::ptrdiff_t send(const char* bytes, std::size_t size) noexcept;
  // Bytes received, 0 at the end, -1 if the connection broke.
  std::ptrdiff_t receive(char* bytes, std::size_t size) noexcept;

 private:
  sys::UniqueFd fd_;
};

}  // namespace cli
