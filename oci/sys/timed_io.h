// Reading and writing a stream socket with a deadline, whatever its blocking mode; no SIGPIPE.
// poll(2), recv(2), send(2). Any thread; another thread ends a wait with shutdown_both.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string_view>

namespace sys {

using Deadline = std::chrono::steady_clock::time_point;

enum class IoStatus {
  done,
  end,        // the peer has sent all it had to say
  timed_out,  // the deadline passed
  broken,     // the peer has gone
};

struct Received {
  IoStatus status = IoStatus::done;
  std::size_t size = 0;  // at least 1 if done
};

// Waits for an event of poll(2). False when the deadline has passed first.
bool await_before(int fd, short events, Deadline deadline);

// The bytes that are there, at least one, waiting until `deadline` for the first.
Received receive_before(int fd, std::span<char> buffer, Deadline deadline);

// Sends all of `bytes`; `idle` is how long the peer may take nothing.
IoStatus send_within(int fd, std::string_view bytes, std::chrono::milliseconds idle);

// The same with an end to all of it, however busily the peer takes.
IoStatus send_before(int fd, std::string_view bytes, Deadline deadline);

// Whether the peer has ended its side of the conversation, or is gone; does not wait.
bool peer_has_ended(int fd) noexcept;
// Whether it is there and has said nothing that was not read; does not wait.
bool is_silent(int fd) noexcept;

// Ends the conversation in both directions and wakes whoever waits in one of the above.
void shutdown_both(int fd) noexcept;

}  // namespace sys
