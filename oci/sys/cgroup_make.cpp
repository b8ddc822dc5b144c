// The part of the CgroupTree that makes cgroups and sets their limits, as an OCI runtime would.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "oci/sys/cgroup.h"
#include "oci/sys/cgroup_spares.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace sys {
namespace {

constexpr mode_t kMode = 0755;
// The controllers that limit something of ours, on v1 each in a hierarchy of its own or together.
constexpr const char* kLimiting[] = {"cpu", "cpuacct", "memory", "pids"};
// cgroups.rst: `cgroup.procs` moves all threads of a process, for which the kernel stops all that
// begin or end anywhere, and waits 5 to 15 ms until they know (percpu_down_write). Who has one
// thread and moves itself is spared that since Linux 5.16.
constexpr const char* kTasks = "tasks";

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

// The limit of memory and swap together is never below that of memory alone, so which one goes
// first depends on whether they rise or fall.
void limit_memory_on_v1(const std::filesystem::path& directory, const std::string& bytes,
                        bool limit_swap) {
  constexpr const char* kMemory = "memory.limit_in_bytes";
  constexpr const char* kBoth = "memory.memsw.limit_in_bytes";
  if (!limit_swap) return write_to(directory, kMemory, bytes);
  try {
    write_to(directory, kMemory, bytes);
    write_to(directory, kBoth, bytes);
  } catch (const std::system_error& error) {
    if (error.code().value() != EINVAL) throw;
    write_to(directory, kBoth, bytes);
    write_to(directory, kMemory, bytes);
  }
}

// False if there is nothing to make it in.
bool make_in_parent(const std::filesystem::path& directory) {
  if (::mkdir(directory.c_str(), kMode) == 0) return true;
  if (errno == ENOENT) return false;
  throw_errno("make the cgroup " + directory.string());
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

void CgroupTree::check_own() const {
  if (!by_systemd()) return;
  throw Refused(Refusal::failed, "no_own_cgroups",
                "the native launcher makes cgroups itself, and here systemd does: start faasd as "
                "its unit, which has some of its own, or with --cgroup-driver cgroupfs");
}

std::unique_ptr<CgroupSpares> CgroupTree::make_spares() const {
  std::vector<CgroupSpares::Place> places;
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    if (by_systemd() || !limits_something(hierarchy)) continue;
    places.push_back({hierarchy.mount_point / parent_.substr(1), hierarchy.has("cpuacct"),
                      hierarchy.has("memory")});
  }
  return std::make_unique<CgroupSpares>(std::move(places));
}

CgroupEntrance CgroupTree::make(const std::string& id) const {
  check_own();
  if (spares_->give(id)) return entrance_of(id);
  const bool v2 = !limits_on_v1();
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    if (v2 ? !hierarchy.v2 : !limits_something(hierarchy)) continue;
    const std::filesystem::path directory = directory_in(hierarchy, id);
    if (make_in_parent(directory)) continue;
    hierarchy.v2 ? delegate_controllers(hierarchy)
                 : static_cast<void>(make_directory(directory.parent_path(), kMode));
    if (!make_in_parent(directory)) throw_errno("make the cgroup " + directory.string());
  }
  spares_->made(id);
  return entrance_of(id);
}

CgroupEntrance CgroupTree::entrance_of(const std::string& id) const {
  CgroupEntrance entrance;
  entrance.v2 = !limits_on_v1();
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    if (entrance.v2 ? !hierarchy.v2 : !limits_something(hierarchy)) continue;
    const std::filesystem::path directory = directory_in(hierarchy, id);
    entrance.fds.push_back(hierarchy.v2 ? open_directory(directory)
                                        : open_file(directory / kTasks, O_WRONLY));
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
  const std::string pids = std::to_string(limits.pids);
  const bool v2 = !limits_on_v1();
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    const std::filesystem::path directory = directory_in(hierarchy, id);
    if (v2 && hierarchy.v2) {
      write_to(directory, "memory.max", memory);
      if (limits.limit_swap) write_to(directory, "memory.swap.max", "0");
      write_to(directory, "cpu.max", quota + " " + std::to_string(kCpuPeriodUs));
      write_to(directory, "pids.max", pids);
    }
    if (hierarchy.has("memory")) limit_memory_on_v1(directory, memory, limits.limit_swap);
    if (hierarchy.has("cpu")) write_to(directory, "cpu.cfs_quota_us", quota);
    if (hierarchy.has("pids")) write_to(directory, "pids.max", pids);
  }
  limit_tcp_buffers(id, limits.memory_bytes);
}

}  // namespace sys
