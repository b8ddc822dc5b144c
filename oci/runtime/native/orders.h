// What the launcher and the slots are told, and what they answer. faasd starts the launcher with
// one end of a message pair (oci/sys/fd_message.h) and tells it once which filter all containers
// have; then an order a slot. Each slot has a message pair of its own with faasd. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oci/runtime/native/message.h"
#include "oci/sys/user_namespace.h"

namespace runtime::native {

// To the launcher: a container to come, of no function yet. With it come the slot's end of its
// pair, then the cgroup: on v2 its directory, on v1 `tasks` of each hierarchy.
struct SlotOrder {
  std::string id;  // its host name
  sys::IdMaps ids;
  bool cgroup_v2 = false;

  std::string pack() const;
  static SlotOrder unpack(std::string_view bytes);
};

struct ResourceLimit {
  std::uint64_t resource = 0;  // RLIMIT_…
  std::uint64_t value = 0;     // soft and hard
};

// To a slot: what it becomes. With it come, in this order, its standard output and error, the root
// file system, the grafts, /control.sock, and the executor if there is one, which are mounts that
// are attached nowhere; then the snapshot if there is one.
struct LaunchOrder {
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string working_dir;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;
  std::vector<ResourceLimit> limits;
  std::string tmpfs_options;        // of /tmp and /dev/shm
  std::vector<std::string> grafts;  // paths, relative to the root
  bool has_executor = false;
  bool has_snapshot = false;

  std::string pack() const;
  static LaunchOrder unpack(std::string_view bytes);
};

// What comes back on a slot's pair: this byte, then what it says there. The end of the pair, after
// `listener`, is the handler's beginning.
enum class Report : char {
  born = 'b',      // from the launcher, with a pidfd
  ready = 'r',     // it waits for its LaunchOrder
  listener = 'l',  // with the listener of its filter
  failed = 'f',    // a text for the log follows
};
inline constexpr std::size_t kMaxReport = 4096;

}  // namespace runtime::native
