#include "oci/runtime/container.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

#include "oci/runtime/container_places.h"
#include "oci/sys/cgroup.h"

namespace runtime {
namespace {

using nlohmann::json;

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

json words(std::string_view text) {
  json list = json::array();
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    list.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return list;
}

// `options` as mount(8) takes them.
json mount(std::string_view destination, std::string_view type, std::string_view source,
           const std::string& options) {
  return {{"destination", destination},
          {"type", type},
          {"source", source},
          {"options", words(options)}};
}

json mounts(const Container& container) {
  const std::string small = "mode=1777," + tmpfs_bounds(container.resources);
  json list = json::array();
  list.push_back(mount("/proc", "proc", "proc", "nosuid,nodev,noexec"));
  list.push_back(
      mount("/dev", "tmpfs", "tmpfs", "nosuid,noexec,strictatime," + std::string(kDevOptions)));
  list.push_back(
      mount("/dev/pts", "devpts", "devpts", "nosuid,noexec," + std::string(kTerminalOptions)));
  list.push_back(mount("/dev/shm", "tmpfs", "shm", "nosuid,nodev,noexec," + small));
  list.push_back(mount("/sys", "sysfs", "sysfs", "nosuid,nodev,noexec,ro"));
  // Executable, as a language runtime that compiles into its temporary directory expects.
  list.push_back(mount("/tmp", "tmpfs", "tmpfs", "nosuid,nodev," + small));
  list.push_back(
      mount(kControlSocket, "bind", container.control_socket.string(), "bind,nosuid,nodev,noexec"));
  if (!container.executor.empty()) {
    list.push_back(mount(kExecutor, "bind", container.executor.string(), "bind,ro,nosuid,nodev"));
  }
  return list;
}

json resources(const Resources& limits) {
  json memory = {{"limit", limits.memory_bytes}};
  if (limits.limit_swap) memory["swap"] = limits.memory_bytes;  // memory and swap together
  json cpu = {{"quota", cpu_quota_us(limits)}, {"period", sys::kCpuPeriodUs}};
  if (limits.low_priority) cpu["shares"] = kTenthOfShares;
  return {{"memory", memory},
          {"cpu", cpu},
          {"pids", {{"limit", limits.pids}}},
          // Everything denied; the runtime adds the default devices of the spec.
          {"devices", json::array({{{"allow", false}, {"access", "rwm"}}})}};
}

json rlimits(const Resources& resources) {
  json list = json::array();
  for (const ProcessLimit& limit : process_limits(resources)) {
    list.push_back({{"type", limit.name}, {"hard", limit.value}, {"soft", limit.value}});
  }
  return list;
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
          {"rlimits", rlimits(container.resources)},
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

std::vector<ProcessLimit> process_limits(const Resources& resources) {
  return {{"RLIMIT_NOFILE", RLIMIT_NOFILE, resources.open_files},
          {"RLIMIT_FSIZE", RLIMIT_FSIZE, resources.file_bytes},
          {"RLIMIT_CORE", RLIMIT_CORE, 0},
          {"RLIMIT_NPROC", RLIMIT_NPROC, std::max<std::uint64_t>(resources.pids, kRuntimeThreads)},
          {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING, kPendingSignals},
          {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE, kMessageQueueBytes}};
}

std::string tmpfs_bounds(const Resources& resources) {
  const std::uint64_t inodes = resources.tmpfs_bytes / kPageBytes + kInodesWithoutPage;
  return "size=" + std::to_string(resources.tmpfs_bytes) + ",nr_inodes=" + std::to_string(inodes);
}

std::int64_t cpu_quota_us(const Resources& resources) {
  return std::llround(resources.cpus * static_cast<double>(sys::kCpuPeriodUs));
}

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
