// The part of the CgroupTree that makes cgroups and sets their limits, as an OCI runtime would.
#include <fcntl.h>

#include <filesystem>
#include <string>

#include "oci/sys/cgroup.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace sys {
namespace {

constexpr mode_t kMode = 0755;
// The controllers that limit something of ours, on v1 each in a hierarchy of its own or together.
constexpr const char* kLimiting[] = {"cpu", "cpuacct", "memory", "pids"};

bool limits_something(const CgroupHierarchy& hierarchy) {
  for (const char* controller : kLimiting) {
    if (hierarchy.has(controller)) return true;
  }
  return false;
}

void write_to(const std::filesystem::path& directory, const char* file, const std::string& text) {
  const std::filesystem::path path = directory / file;
  write_all(open_file(path, O_WRONLY).get(), text, path.string());
}

}  // namespace

// Each level has to hand on what the next one is to limit by (cgroup-v2.rst, "Enabling and
// Disabling"); one that is missing here shows when its limit is set.
void CgroupTree::delegate_controllers(const CgroupHierarchy& hierarchy) const {
  std::filesystem::path directory = hierarchy.mount_point;
  const std::filesystem::path below = parent_.substr(1);
  auto next = below.begin();
  for (;;) {
    for (const char* controller : {"+cpu", "+memory", "+pids"}) {
      try {
        write_to(directory, "cgroup.subtree_control", controller);
      } catch (const std::system_error&) {
        continue;
      }
    }
    if (next == below.end()) return;
    directory /= *next++;
    make_directory(directory, kMode);
  }
}

CgroupEntrance CgroupTree::make(const std::string& id) const {
  if (by_systemd()) {
    throw Refused(Refusal::failed, "no_own_cgroups",
                  "the native launcher makes cgroups itself, and here systemd does: start faasd as "
                  "its unit, which has some of its own, or with --cgroup-driver cgroupfs");
  }
  CgroupEntrance entrance;
  entrance.v2 = !limits_on_v1();
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    if (entrance.v2 ? !hierarchy.v2 : !limits_something(hierarchy)) continue;
    const std::filesystem::path directory = directory_in(hierarchy, id);
    if (!std::filesystem::exists(directory.parent_path() / "cgroup.procs")) {
      hierarchy.v2 ? delegate_controllers(hierarchy)
                   : static_cast<void>(make_directory(directory.parent_path(), kMode));
    }
    make_directory(directory, kMode);
    entrance.fds.push_back(hierarchy.v2 ? open_directory(directory)
                                        : open_file(directory / "cgroup.procs", O_WRONLY));
  }
  return entrance;
}

bool CgroupTree::limits_on_v1() const {
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    if (!hierarchy.v2 && limits_something(hierarchy)) return true;
  }
  return false;
}

void CgroupTree::limit(const std::string& id, const CgroupLimits& limits) const {
  const std::string memory = std::to_string(limits.memory_bytes);
  const std::string quota = std::to_string(limits.cpu_quota_us);
  const std::string period = std::to_string(limits.cpu_period_us);
  const std::string pids = std::to_string(limits.pids);
  const bool v2 = !limits_on_v1();
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    const std::filesystem::path directory = directory_in(hierarchy, id);
    if (v2 && hierarchy.v2) {
      write_to(directory, "memory.max", memory);
      if (limits.limit_swap) write_to(directory, "memory.swap.max", "0");
      write_to(directory, "cpu.max", quota + " " + period);
      write_to(directory, "pids.max", pids);
    }
    if (hierarchy.has("memory")) {
      write_to(directory, "memory.limit_in_bytes", memory);
      // Of both together.
      if (limits.limit_swap) write_to(directory, "memory.memsw.limit_in_bytes", memory);
    }
    if (hierarchy.has("cpu")) {
      write_to(directory, "cpu.cfs_period_us", period);
      write_to(directory, "cpu.cfs_quota_us", quota);
    }
    if (hierarchy.has("pids")) write_to(directory, "pids.max", pids);
  }
  limit_tcp_buffers(id, limits.memory_bytes);
  if (limits.low_priority) yield_processor(id);
}

}  // namespace sys
