// System calls that a seccomp filter leaves to us: whoever makes one waits until we have answered.
// Source: seccomp_unotify(2). Any thread.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sys {

enum class SocketCall { connect, bind, listen, send, none };
std::string_view to_word(SocketCall call);

struct TrappedCall {
  std::uint64_t id = 0;
  pid_t thread = 0;  // who waits, as this process numbers it; see is_pending
  SocketCall what = SocketCall::none;
  std::array<std::uint64_t, 6> arguments{};
};

// Whether a descriptor is one that such calls come from.
bool is_call_listener(int fd) noexcept;

// The next one, once the listener is readable; empty if its caller has gone. Throws
// std::system_error.
std::optional<TrappedCall> receive_trapped_call(int listener);

// Whether its caller still waits. Until this has been asked, what was found by the number of its
// thread may be another's.
bool is_pending(int listener, std::uint64_t id) noexcept;

// Lets the caller go on: its call fails with `error`, or with 0 has returned 0. It may not hear it:
// a signal can call it away at any time, and after that it makes the call anew.
void answer_call(int listener, std::uint64_t id, int error) noexcept;

}  // namespace sys
