// The cgroups of our instances in whatever layout this host has: v1, v1 hybrid or v2. The OCI
// runtime makes them; we say where, look into them, empty and remove them. cgroups(7),
// cgroup-v2.rst. One subtree per daemon, named after it, holds all of its instances and nothing
// else. Any thread.
//
// Who makes them is the driver. `cgroupfs`: the runtime itself, in a subtree that is ours: below
// the cgroup that systemd delegated to us, or at the top where there is no systemd. `systemd`: the
// runtime asks systemd for a scope per instance, in a slice per daemon, because nobody else may
// write where systemd rules (systemd.io/CGROUP_DELEGATION); it costs a launch some milliseconds.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/sys/unique_fd.h"

namespace sys {

class CgroupSpares;

// One mounted hierarchy, as /proc/self/mountinfo names it.
struct CgroupHierarchy {
  std::filesystem::path mount_point;
  bool v2 = false;
  std::vector<std::string> controllers;  // of v1; "name=systemd" included

  bool has(std::string_view controller) const;
};

// Parses the text of /proc/self/mountinfo.
std::vector<CgroupHierarchy> parse_cgroup_mounts(std::string_view mountinfo);

// What the processes of a cgroup have cost, those that are gone included. Empty: this kernel or
// this layout does not say (memory.peak came with Linux 5.19), or the cgroup is not there.
struct CgroupUsage {
  std::optional<std::chrono::microseconds> cpu;
  std::optional<std::uint64_t> memory_peak_bytes;
  std::uint64_t oom_kills = 0;  // processes that the kernel killed for the cgroup's memory limit
};

// The number behind `key` in lines of "key number", as cpu.stat and memory.events have them.
std::optional<std::uint64_t> number_in(std::string_view text, std::string_view key);

// What the processes of a cgroup may have together.
struct CgroupLimits {
  std::uint64_t memory_bytes = 0;
  bool limit_swap = false;        // swap off; only where `limits_swap`
  std::int64_t cpu_quota_us = 0;  // in each kCpuPeriodUs
  std::uint64_t pids = 0;

  bool operator==(const CgroupLimits&) const = default;
};

// 100 ms, the kernel's own default: sched-bwc.rst, cgroup-v2.rst.
inline constexpr std::int64_t kCpuPeriodUs = 100'000;
// sched(7): a tenth of what runtimes leave as it is.
inline constexpr std::string_view kTenthOfShares = "102";

// A cgroup as its first process enters it.
struct CgroupEntrance {
  bool v2 = false;            // by clone3(2) with CLONE_INTO_CGROUP
  std::vector<UniqueFd> fds;  // v2: its directory; v1: `tasks` of each hierarchy, to write 0 to
};

enum class CgroupDriver {
  automatic,  // systemd, if it is PID 1 and has delegated nothing to us
  cgroupfs,
  systemd,
};
// "auto", "cgroupfs", "systemd"; throws Refused(invalid, "bad_option").
CgroupDriver cgroup_driver_from(std::string_view word);

class CgroupTree {
 public:
  // `name` is the directory below the root of every hierarchy ("faasd"). On a host with only v2 and
  // a cgroup that was delegated to us (systemd: Delegate=yes) it lies in there, and this process
  // moves into a leaf, because a v2 cgroup has either processes or children with controllers.
  // Throws std::system_error; Refused(failed, "no_cgroups") if no hierarchy is mounted,
  // Refused(invalid, "no_systemd") if the systemd driver is asked for and PID 1 is another.
  CgroupTree(const std::string& name, CgroupDriver driver);
  // Removes the subtree, if it is empty; the slice, with all that is in it.
  ~CgroupTree();
  CgroupTree(const CgroupTree&) = delete;
  CgroupTree& operator=(const CgroupTree&) = delete;

  // What goes into the runtime spec as linux.cgroupsPath.
  std::string path_of(const std::string& id) const;
  // The runtime has to be told which driver the path is meant for.
  bool by_systemd() const noexcept { return !slice_.empty(); }

  // True if swap is accounted for, so that a limit for it may be set.
  bool limits_swap() const noexcept { return limits_swap_; }

  // Whether `make` may: throws Refused(failed, "no_own_cgroups") where systemd makes them.
  void check_own() const;
  // For who runs no OCI runtime: makes the instance's cgroup in every hierarchy that limits
  // something, or takes that of one that is gone (cgroup_spares.h), with what it had. Throws what
  // `check_own` does, and std::system_error.
  CgroupEntrance make(const std::string& id) const;
  // Sets its limits, whatever it had before. Throws std::system_error.
  void limit(const std::string& id, const CgroupLimits& limits) const;

  // Makes the instance's cgroup, as far as it is needed for this, before the runtime does: v1
  // counts the buffers of TCP connections for a cgroup only if they have a limit when the socket is
  // made, and runtimes no longer set one. Does nothing on v2, which counts them as memory, or where
  // systemd makes the cgroups. Throws std::system_error.
  void limit_tcp_buffers(const std::string& id, std::uint64_t bytes) const;

  // From now on the instance gets a tenth of what others get of a processor that all of them want.
  // Where systemd makes the cgroups it does not. Never throws: the instance may just have ended.
  void yield_processor(const std::string& id) const noexcept;

  // Takes that back. Only if `sets_priority`.
  void claim_processor(const std::string& id) const noexcept;
  bool sets_priority() const noexcept { return !by_systemd(); }

  // Processes in the instance's cgroup, threads not counted.
  std::vector<pid_t> members(const std::string& id) const;
  // What it has cost so far: ask before it is removed.
  CgroupUsage usage(const std::string& id) const;
  // What it takes of the host's memory now; 0 if nobody can tell.
  std::uint64_t memory_bytes(const std::string& id) const noexcept;
  // SIGKILL to every process in it. Removing needs them gone; call `remove` until it says true.
  void kill(const std::string& id) const;
  // Removes the instance's cgroup from every hierarchy, or gives it another name and keeps it;
  // false if one still has processes.
  bool remove(const std::string& id) const;

  // Ids that have a cgroup in some hierarchy: after a crash, those of a dead daemon.
  std::vector<std::string> list() const;

 private:
  void set_share(const std::string& id, std::string_view shares,
                 std::string_view weight) const noexcept;
  bool limits_on_v1() const;
  std::unique_ptr<CgroupSpares> make_spares() const;
  CgroupEntrance entrance_of(const std::string& id) const;
  void delegate_controllers(const CgroupHierarchy& hierarchy) const;
  std::string directory_name(const std::string& id) const;
  std::optional<std::string> id_of(std::string_view name) const;  // the way back
  std::filesystem::path directory_in(const CgroupHierarchy& hierarchy, const std::string& id) const;
  std::vector<std::filesystem::path> directories_of(const std::string& id) const;

  std::vector<CgroupHierarchy> hierarchies_;
  std::string parent_;  // "/faasd", from the root of the hierarchies
  std::string slice_;   // "faasd.slice" if systemd makes them
  bool limits_swap_ = false;
  std::filesystem::path tcp_limits_in_;  // where v1 has the memory controller, if it limits that
  bool v2_counts_ = false;               // processor time, or memory, in the v2 hierarchy
  std::unique_ptr<CgroupSpares> spares_;
};

}  // namespace sys
