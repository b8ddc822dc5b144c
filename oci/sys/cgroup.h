// The cgroups of our instances in whatever layout this host has: v1, v1 hybrid or v2. The OCI
// runtime makes them; we say where, look into them, empty and remove them. cgroups(7),
// cgroup-v2.rst. One subtree per daemon, named after it, holds all of its instances and nothing
// else. Any thread.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace sys {

// One mounted hierarchy, as /proc/self/mountinfo names it.
struct CgroupHierarchy {
  std::filesystem::path mount_point;
  bool v2 = false;
  std::vector<std::string> controllers;  // of v1; "name=systemd" included
};

// Parses the text of /proc/self/mountinfo.
std::vector<CgroupHierarchy> parse_cgroup_mounts(std::string_view mountinfo);

class CgroupTree {
 public:
  // `name` is the directory below the root of every hierarchy ("faasd"). On a host with only v2 and
  // a cgroup that was delegated to us (systemd: Delegate=yes) it lies in there, and this process
  // moves into a leaf, because a v2 cgroup has either processes or children with controllers.
  // Throws std::system_error; Refused(failed, "no_cgroups") if no hierarchy is mounted.
  explicit CgroupTree(const std::string& name);

  // What goes into the runtime spec as linux.cgroupsPath.
  std::string path_of(const std::string& id) const { return parent_ + "/" + id; }

  // True if swap is accounted for, so that a limit for it may be set.
  bool limits_swap() const noexcept { return limits_swap_; }

  // Processes in the instance's cgroup, threads not counted.
  std::vector<pid_t> members(const std::string& id) const;
  // SIGKILL to every process in it. Removing needs them gone; call `remove` until it says true.
  void kill(const std::string& id) const;
  // Removes the instance's cgroup from every hierarchy; false if one still has processes.
  bool remove(const std::string& id) const;

  // Ids that have a cgroup in some hierarchy: after a crash, those of a dead daemon.
  std::vector<std::string> list() const;
  // Removes the (empty) subtree itself, at shutdown.
  void remove_parent() const noexcept;

 private:
  std::vector<std::filesystem::path> directories_of(const std::string& id) const;

  std::vector<CgroupHierarchy> hierarchies_;
  std::string parent_;  // "/faasd", from the root of the hierarchies
  bool limits_swap_ = false;
};

}  // namespace sys
