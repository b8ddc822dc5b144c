// Messages with descriptors attached, whole and in order, between processes that trust each other:
// a pair of SOCK_SEQPACKET sockets. unix(7), SCM_RIGHTS. Throws std::system_error. Any thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "oci/sys/unique_fd.h"

namespace sys {

// The kernel's own bound of descriptors with one message, SCM_MAX_FD.
inline constexpr std::size_t kMaxMessageFds = 253;

struct FdMessage {
  std::string bytes;
  std::vector<UniqueFd> fds;  // close-on-exec
};

// Both ends blocking and close-on-exec, with room for a message of `max_bytes`, which takes
// CAP_NET_ADMIN beyond what the system allows everybody.
struct MessagePair {
  UniqueFd ours;
  UniqueFd theirs;
};
MessagePair make_message_pair(std::size_t max_bytes);

// Without waiting: false if the other end has gone, or has no room.
bool send_fd_message(int socket, std::string_view bytes, std::span<const int> fds);

enum class Arrival { message, nothing_yet, ended };
// What is longer than `max_bytes` is an error, and its descriptors are closed.
Arrival receive_fd_message(int socket, std::size_t max_bytes, bool wait, FdMessage& message);

}  // namespace sys
