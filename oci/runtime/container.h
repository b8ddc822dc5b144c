// What one container is to be, whichever launcher makes it, and the same as the runtime-spec's
// config.json. Plain values; knows nothing of functions or connections.
// Source: OCI runtime-spec 1.0.2, config.md and config-linux.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "oci/image/image.h"
#include "oci/runtime/snapshot.h"
#include "oci/sys/user_namespace.h"

namespace runtime {

struct Resources {
  std::uint64_t memory_bytes = 0;
  bool limit_swap = false;  // swap off; only where the kernel accounts for it
  double cpus = 0;
  std::uint32_t pids = 0;
  std::uint64_t tmpfs_bytes = 0;  // each of /tmp and /dev/shm
  std::uint64_t open_files = 0;   // of each process; no more than this process may have itself
  std::uint64_t file_bytes = 0;   // of one file: RLIMIT_FSIZE, setrlimit(2)
  bool low_priority = false;      // a tenth of a processor that others want
};

// Processor time of each sys::kCpuPeriodUs.
std::int64_t cpu_quota_us(const Resources& resources);

// Options of tmpfs(5), of /tmp and of /dev/shm.
std::string tmpfs_bounds(const Resources& resources);

// Soft and hard: nothing in a container may raise it. setrlimit(2).
struct ProcessLimit {
  std::string_view name;
  int resource = 0;
  std::uint64_t value = 0;
};
std::vector<ProcessLimit> process_limits(const Resources& resources);

struct Container {
  std::string id;  // also its host name
  std::shared_ptr<const image::Image> image;
  std::filesystem::path
      rootfs;  // of it, for a runtime: on a mount that is read-only, nosuid and nodev
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string working_dir = "/";
  image::ProcessUser user;
  sys::IdMaps ids;  // who its users and groups are on the host
  Resources resources;
  std::string cgroup_path;  // "/…", or "slice:prefix:name" for a scope of systemd's
  // linux.seccomp (seccomp_profile.h): one for all containers. Must be there.
  std::shared_ptr<const nlohmann::json> seccomp;
  std::filesystem::path seccomp_listener;          // who answers what it asks: connect_broker.h
  std::filesystem::path control_socket;            // on the host; seen inside as /control.sock
  std::filesystem::path executor;                  // on the host; seen inside as kExecutor, if any
  std::shared_ptr<const Snapshot> snapshot;        // descriptor 3 of its program, if any
  std::map<std::string, std::string> annotations;  // what its maker wants to find there again
};

// The environment of the process: the image's, then the function's on top (a later KEY wins), with
// PATH and HOME added where both lack them. Nothing of the daemon's own.
std::vector<std::string> merge_env(const std::vector<std::string>& image_env,
                                   const std::vector<std::string>& function_env,
                                   const image::ProcessUser& user);

// config.json: own pid, mount, net, ipc, uts, cgroup and user namespace, no capabilities,
// no_new_privileges, read-only root, masked paths, small tmpfs, default devices, limits, the
// system calls of the allow-list.
nlohmann::json to_oci_spec(const Container& container);

}  // namespace runtime
