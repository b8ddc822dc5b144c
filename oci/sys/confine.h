// Locks the calling process in before it touches hostile input: a root of its own, no network, few
// capabilities, bounds. Each step is for good; there is no way back. A seccomp filter comes on top.
// For a process of one thread that was started for one job. Throws std::system_error that names the
// call; the caller then ends, for a half-closed jail is none.
// Source: namespaces(7), pivot_root(2), capabilities(7).
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>

namespace sys {

// New mount, network, IPC, UTS and cgroup namespaces, and `directory` as the root directory,
// mounted nosuid, nodev, noexec. The old root is gone: no path leads to it.
void enter_private_root(const std::filesystem::path& directory);

// The flags of clone(2) by which pthread_create(3) makes a thread: for filters that allow that and
// no other process.
extern const unsigned long kThreadFlags;

// Closes every descriptor but 0, 1 and 2.
void close_inherited_descriptors();

struct ResourceBounds {
  std::uint64_t file_bytes = 0;    // RLIMIT_FSIZE; a write beyond it fails with EFBIG
  std::uint64_t memory_bytes = 0;  // RLIMIT_DATA: private writable memory
  std::uint64_t cpu_seconds = 0;
  std::uint64_t descriptors = 0;
};
// Lower values only, never higher ones; no core files.
void bound_resources(const ResourceBounds& bounds);

// The kernel's numbers (<linux/capability.h>) of those that a confined process may need.
enum class Capability {
  chown = 0,
  dac_override = 1,
  fowner = 3,
  fsetid = 4,
  setgid = 6,
  setuid = 7,
  setpcap = 8,
  net_admin = 12,
  sys_chroot = 18,
  sys_admin = 21,
  setfcap = 31,
};

// Keeps these capabilities and drops all others from every set, the bounding set included; then
// no_new_privs, so that no exec could bring one back.
void keep_capabilities(std::initializer_list<Capability> kept);

}  // namespace sys
