#include "oci/runtime/container.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

namespace runtime {
namespace {

using nlohmann::json;

// 100 ms, the kernel's and Docker's own default: sched-bwc.rst.
constexpr std::int64_t kCpuPeriodUs = 100'000;
constexpr int kTenthOfShares = 102;
// As many inodes as a tmpfs has pages, for a file that holds anything has one; and these, for
// directories, links and empty files. Each takes a kilobyte of the container's memory.
constexpr std::uint64_t kPageBytes = 4'096;
constexpr std::uint64_t kInodesWithoutPage = 1'024;
// Processes are limited by the cgroup, and once more where the kernel looks first: a fork that it
// refuses there has not yet taken the lock (cgroup_threadgroup_rwsem) for which every launch on the
// host has to wait. Not below what runc, a Go program, starts of threads when it is here already.
constexpr std::uint64_t kRuntimeThreads = 16;
// Timers and queued signals of a container. The kernel counts them for the host's root as well, who
// has made the user namespace: what all containers have of them together, root's programs lack.
constexpr std::uint64_t kPendingSignals = 64;
// Bytes of POSIX message queues are counted so too, and one container could have all there are.
constexpr std::uint64_t kMessageQueueBytes = 0;

// The paths that Docker masks and makes read-only, for the reasons it gives: they leak or change
// state of the host that has no namespace.
constexpr std::string_view kMaskedPaths[] = {
    "/proc/acpi",          "/proc/asound",  "/proc/interrupts",
    "/proc/kcore",         "/proc/keys",    "/proc/latency_stats",
    "/proc/sched_debug",   "/proc/scsi",    "/proc/timer_list",
    "/proc/timer_stats",   "/sys/firmware", "/sys/devices/virtual/powercap",
    "/sys/kernel/security"};
constexpr std::string_view kReadonlyPaths[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                               "/proc/sysrq-trigger"};

json mount(std::string_view destination, std::string_view type, std::string_view source,
           std::vector<std::string> options) {
  return {{"destination", destination}, {"type", type}, {"source", source}, {"options", options}};
}

json mounts(const Container& container) {
  const std::uint64_t tmpfs_bytes = container.resources.tmpfs_bytes;
  const std::string size = "size=" + std::to_string(tmpfs_bytes);
  const std::string inodes =
      "nr_inodes=" + std::to_string(tmpfs_bytes / kPageBytes + kInodesWithoutPage);
  json list = json::array();
  list.push_back(mount("/proc", "proc", "proc", {"nosuid", "nodev", "noexec"}));
  list.push_back(
      mount("/dev", "tmpfs", "tmpfs",
            {"nosuid", "noexec", "strictatime", "mode=755", "size=65536k", "nr_inodes=1024"}));
  // The host has 3,072 terminals for all containers, whoever made them.
  list.push_back(mount("/dev/pts", "devpts", "devpts",
                       {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "max=8"}));
  list.push_back(
      mount("/dev/shm", "tmpfs", "shm", {"nosuid", "nodev", "noexec", "mode=1777", size, inodes}));
  list.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "nodev", "noexec", "ro"}));
  // Executable, as a language runtime that compiles into its temporary directory expects.
  list.push_back(mount("/tmp", "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=1777", size, inodes}));
  list.push_back(mount("/control.sock", "bind", container.control_socket.string(),
                       {"bind", "nosuid", "nodev", "noexec"}));
  if (!container.executor.empty()) {
    list.push_back(
        mount(kExecutor, "bind", container.executor.string(), {"bind", "ro", "nosuid", "nodev"}));
  }
  return list;
}

json resources(const Resources& limits) {
  json memory = {{"limit", limits.memory_bytes}};
  if (limits.limit_swap) memory["swap"] = limits.memory_bytes;  // memory and swap together
  json cpu = {{"quota", std::llround(limits.cpus * static_cast<double>(kCpuPeriodUs))},
              {"period", kCpuPeriodUs}};
  if (limits.low_priority) cpu["shares"] = kTenthOfShares;
  return {{"memory", memory},
          {"cpu", cpu},
          {"pids", {{"limit", limits.pids}}},
          // Everything denied; the runtime adds the default devices of the spec.
          {"devices", json::array({{{"allow", false}, {"access", "rwm"}}})}};
}

// Soft and hard: nothing in a container may raise it.
json rlimit(std::string_view type, std::uint64_t value) {
  return {{"type", type}, {"hard", value}, {"soft", value}};
}

json rlimits(const Container& container) {
  const Resources& limits = container.resources;
  return json::array({rlimit("RLIMIT_NOFILE", limits.open_files),
                      rlimit("RLIMIT_FSIZE", limits.file_bytes), rlimit("RLIMIT_CORE", 0),
                      rlimit("RLIMIT_NPROC", std::max<std::uint64_t>(limits.pids, kRuntimeThreads)),
                      rlimit("RLIMIT_SIGPENDING", kPendingSignals),
                      rlimit("RLIMIT_MSGQUEUE", kMessageQueueBytes)});
}

json process(const Container& container) {
  json empty = json::array();
  return {{"terminal", false},
          {"user",
           {{"uid", container.user.uid},
            {"gid", container.user.gid},
            {"additionalGids", container.user.additional_gids}}},
          {"args", container.args},
          {"env", container.env},
          {"cwd", container.working_dir},
          {"capabilities",
           {{"bounding", empty},
            {"effective", empty},
            {"inheritable", empty},
            {"permitted", empty},
            {"ambient", empty}}},
          {"rlimits", rlimits(container)},
          {"noNewPrivileges", true}};
}

json id_mappings(const std::vector<sys::IdRange>& ranges) {
  json list = json::array();
  for (const sys::IdRange& range : ranges) {
    list.push_back({{"containerID", range.inside}, {"hostID", range.host}, {"size", range.count}});
  }
  return list;
}

// The profile is the same for all; whoever answers for it is told whose calls they are.
json seccomp(const Container& container) {
  if (!container.seccomp) throw std::logic_error("a container without a seccomp filter");
  json filter = *container.seccomp;
  filter["listenerPath"] = container.seccomp_listener.string();
  filter["listenerMetadata"] = container.id;
  return filter;
}

// A scope that systemd makes for a container goes even if the kernel killed it for its memory.
json annotations(const Container& container) {
  json all = container.annotations;
  if (!container.cgroup_path.starts_with('/')) {
    all["org.systemd.property.CollectMode"] = "'inactive-or-failed'";
  }
  return all;
}

std::string_view key_of(std::string_view entry) {
  return entry.substr(0, entry.find('='));
}

void set_env(std::vector<std::string>& env, const std::string& entry, bool replace) {
  const auto it = std::find_if(env.begin(), env.end(), [&](const std::string& existing) {
    return key_of(existing) == key_of(entry);
  });
  if (it == env.end()) {
    env.push_back(entry);
  } else if (replace) {
    *it = entry;
  }
}

}  // namespace

std::vector<std::string> merge_env(const std::vector<std::string>& image_env,
                                   const std::vector<std::string>& function_env,
                                   const image::ProcessUser& user) {
  std::vector<std::string> env;
  for (const std::string& entry : image_env) set_env(env, entry, true);
  for (const std::string& entry : function_env) set_env(env, entry, true);
  set_env(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", false);
  set_env(env, "HOME=" + user.home, false);
  return env;
}

json to_oci_spec(const Container& container) {
  json namespaces = json::array();
  for (const char* type : {"pid", "network", "ipc", "uts", "mount", "cgroup", "user"}) {
    namespaces.push_back({{"type", type}});
  }
  return {{"ociVersion", "1.0.2"},
          {"process", process(container)},
          // Read-only already; a runtime that makes it so once more drops nosuid on the way.
          {"root", {{"path", container.rootfs.string()}, {"readonly", false}}},
          {"hostname", container.id},
          {"mounts", mounts(container)},
          {"annotations", annotations(container)},
          {"linux",
           {{"namespaces", namespaces},
            {"uidMappings", id_mappings(container.ids.users)},
            {"gidMappings", id_mappings(container.ids.groups)},
            {"resources", resources(container.resources)},
            {"cgroupsPath", container.cgroup_path},
            {"rootfsPropagation", "private"},
            {"seccomp", seccomp(container)},
            {"maskedPaths", kMaskedPaths},
            {"readonlyPaths", kReadonlyPaths}}}};
}

}  // namespace runtime
