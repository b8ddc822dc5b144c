// Processes by descriptor instead of by number, so that a recycled pid is never hit. pidfd_open(2),
// pidfd_send_signal(2), pidfd_getfd(2). Any thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "oci/sys/unique_fd.h"

namespace sys {

// Empty if there is no such process. The caller makes sure that `pid` is still the one it means
// (its own unreaped child, or a member of a cgroup that it checks again).
std::optional<UniqueFd> open_pidfd(pid_t pid);

// False if the process is gone.
bool send_signal(int pidfd, int signal_number) noexcept;

// Whether the process has ended, reaped or not.
bool has_ended(int pidfd) noexcept;

// A duplicate of descriptor `fd` of that process; empty if there is none or the process is gone.
std::optional<UniqueFd> take_fd(int pidfd, int fd);

// A duplicate of the socket that process has open somewhere, found by its inode and confirmed by
// its cookie (socket.h); empty if it has it no more. Each descriptor looked at is one off `budget`.
struct SocketName {
  std::uint64_t inode = 0;
  std::uint64_t cookie = 0;
};
SocketName name_of_socket(int fd) noexcept;
std::optional<UniqueFd> take_socket(pid_t pid, const SocketName& socket, std::size_t& budget);

// prctl(PR_SET_CHILD_SUBREAPER): orphans below this process become its children, so that a
// container whose runtime has left is reaped by us.
void become_subreaper();

// Zombie children of the first thread, which is the one that orphans come to, in order of their
// numbers. proc(5), /proc/pid/task/tid/children.
std::vector<pid_t> zombie_children();
// Takes the exit of a child that has ended.
void reap(pid_t child) noexcept;

}  // namespace sys
