#include "oci/sys/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <set>
#include <sstream>
#include <system_error>

#include "oci/sys/cgroup_spares.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/pidfd.h"
#include "oci/sys/program.h"

namespace sys {
namespace {

constexpr std::size_t kMaxProcFile = 4u << 20;  // /proc and cgroupfs files; far above any real one
constexpr mode_t kMode = 0755;
constexpr const char* kScopePrefix = "faasd";  // "faasd-ID.scope"
constexpr std::string_view kScopeSuffix = ".scope";
// sched(7): what runtimes leave as it is.
constexpr std::string_view kDefaultShares = "1024";
// cgroup-v2.rst: what runtimes leave as it is, and the tenth of it.
constexpr std::string_view kDefaultWeight = "100";
constexpr std::string_view kTenthOfWeight = "10";
constexpr const char* kTcpLimit = "memory.kmem.tcp.limit_in_bytes";

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream{std::string(text)};
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

std::vector<pid_t> read_pids(const std::filesystem::path& file) {
  std::vector<pid_t> pids;
  const std::optional<std::string> text = read_file_if_exists(file, kMaxProcFile);
  std::istringstream lines(text.value_or(""));
  for (pid_t pid = 0; lines >> pid;) pids.push_back(pid);
  return pids;
}

// The file of one number, or the one line of many with that key. Nothing if it is not there: a
// controller may be off, and the cgroup may have gone with its container.
std::optional<std::uint64_t> read_number(const std::filesystem::path& file,
                                         std::string_view key = {}) {
  try {
    const std::optional<std::string> text = read_file_if_exists(file, kMaxProcFile);
    if (!text) return std::nullopt;
    return key.empty() ? parse_number(*text) : number_in(*text, key);
  } catch (const std::system_error&) {
    return std::nullopt;  // ENODEV: it was removed while we read
  }
}

void write_cgroup_file(const std::filesystem::path& file, std::string_view text) {
  write_all(open_file(file, O_WRONLY).get(), text, file.string());
}

// This process's own cgroup in the v2 hierarchy ("0::/system.slice/faasd.service").
std::string own_v2_cgroup() {
  for (const std::string& line : split(read_file("/proc/self/cgroup", kMaxProcFile), '\n')) {
    if (line.starts_with("0::")) return line.substr(3);
  }
  return "/";
}

// A cgroup that holds us alone and is not the root was made for us by a service manager. Its
// processes move to a leaf, so that instances can live beside it.
std::string claim_delegated_cgroup(const CgroupHierarchy& v2) {
  std::string own = own_v2_cgroup();
  if (own == "/") return "";
  const std::filesystem::path directory = v2.mount_point / own.substr(1);
  if (read_pids(directory / "cgroup.procs") != std::vector<pid_t>{::getpid()}) return "";
  if (::access((directory / "cgroup.subtree_control").c_str(), W_OK) != 0) return "";
  make_directory(directory / "daemon", 0755);
  write_cgroup_file(directory / "daemon" / "cgroup.procs", "0");
  return own;
}

// sd_booted(3).
bool systemd_runs() {
  return std::filesystem::is_directory("/run/systemd/system");
}

// Dashes in the name of a slice are levels (systemd.slice(5)): one daemon's would lie in another's,
// and be stopped with it.
std::string slice_named(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name + ".slice";
}

}  // namespace

CgroupDriver cgroup_driver_from(std::string_view word) {
  if (word == "auto") return CgroupDriver::automatic;
  if (word == "cgroupfs") return CgroupDriver::cgroupfs;
  if (word == "systemd") return CgroupDriver::systemd;
  throw Refused(Refusal::invalid, "bad_option",
                "the cgroup driver is auto, cgroupfs or systemd, not '" + std::string(word) + "'");
}

bool CgroupHierarchy::has(std::string_view controller) const {
  return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

std::vector<CgroupHierarchy> parse_cgroup_mounts(std::string_view mountinfo) {
  std::vector<CgroupHierarchy> hierarchies;
  for (const std::string& line : split(mountinfo, '\n')) {
    // "36 35 98:0 / /mnt rw,noatime master:1 - cgroup cgroup rw,memory": proc_pid_mountinfo(5)
    const std::vector<std::string> fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 5 || fields.end() - dash < 4) continue;
    const std::string& type = dash[1];
    if (type != "cgroup" && type != "cgroup2") continue;
    CgroupHierarchy hierarchy{fields[4], type == "cgroup2", {}};
    if (!hierarchy.v2) {
      for (const std::string& option : split(dash[3], ',')) {
        if (option != "rw" && option != "ro") hierarchy.controllers.push_back(option);
      }
    }
    const bool twice = std::any_of(
        hierarchies.begin(), hierarchies.end(),
        [&](const CgroupHierarchy& h) { return h.mount_point == hierarchy.mount_point; });
    if (!twice) hierarchies.push_back(std::move(hierarchy));
  }
  return hierarchies;
}

std::optional<std::uint64_t> number_in(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') {
      return parse_number(line.substr(key.size() + 1));
    }
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

CgroupTree::CgroupTree(const std::string& name, CgroupDriver driver)
    : hierarchies_(parse_cgroup_mounts(read_file("/proc/self/mountinfo", kMaxProcFile))) {
  if (hierarchies_.empty()) {
    throw Refused(
        Refusal::failed, "no_cgroups",
        "no cgroup file system is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup");
  }
  const bool pure_v2 = std::all_of(hierarchies_.begin(), hierarchies_.end(),
                                   [](const CgroupHierarchy& h) { return h.v2; });
  const auto in_v1 = [this](std::string_view controller) {
    return std::any_of(hierarchies_.begin(), hierarchies_.end(),
                       [&](const CgroupHierarchy& h) { return h.has(controller); });
  };
  v2_counts_ = !in_v1("cpuacct") || !in_v1("memory");
  if (driver == CgroupDriver::systemd && !systemd_runs()) {
    throw Refused(Refusal::invalid, "no_systemd",
                  "--cgroup-driver systemd needs systemd as PID 1; leave the option away");
  }
  const bool may_claim = pure_v2 && driver != CgroupDriver::systemd;
  const std::string delegated = may_claim ? claim_delegated_cgroup(hierarchies_.front()) : "";
  const bool automatic = driver == CgroupDriver::automatic && delegated.empty() && systemd_runs();
  if (driver == CgroupDriver::systemd || automatic) slice_ = slice_named(name);
  parent_ = delegated + "/" + (by_systemd() ? slice_ : name);
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    if (hierarchy.has("memory") && !by_systemd() &&
        std::filesystem::exists(hierarchy.mount_point / kTcpLimit)) {
      tcp_limits_in_ = hierarchy.mount_point / parent_.substr(1);
    }
    const char* file = hierarchy.v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes";
    // v2 shows the file in every cgroup but the root; any child of the root will do.
    limits_swap_ |= std::filesystem::exists(hierarchy.mount_point / file);
    if (!pure_v2 || limits_swap_) continue;
    for (const std::string& child : list_directory(hierarchy.mount_point)) {
      limits_swap_ |= std::filesystem::exists(hierarchy.mount_point / child / file);
    }
  }
  spares_ = make_spares();
}

CgroupTree::~CgroupTree() {
  spares_.reset();
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    ::rmdir((hierarchy.mount_point / parent_.substr(1)).c_str());
  }
  if (by_systemd()) run_program({"systemctl", "stop", "--quiet", slice_});
}

std::string CgroupTree::directory_name(const std::string& id) const {
  return by_systemd() ? kScopePrefix + ("-" + id) + std::string(kScopeSuffix) : id;
}

std::string CgroupTree::path_of(const std::string& id) const {
  return by_systemd() ? slice_ + ":" + kScopePrefix + ":" + id : parent_ + "/" + id;
}

std::filesystem::path CgroupTree::directory_in(const CgroupHierarchy& hierarchy,
                                               const std::string& id) const {
  return hierarchy.mount_point / parent_.substr(1) / directory_name(id);
}

std::vector<std::filesystem::path> CgroupTree::directories_of(const std::string& id) const {
  std::vector<std::filesystem::path> directories;
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    directories.push_back(directory_in(hierarchy, id));
  }
  return directories;
}

void CgroupTree::limit_tcp_buffers(const std::string& id, std::uint64_t bytes) const {
  if (tcp_limits_in_.empty()) return;
  const std::filesystem::path directory = tcp_limits_in_ / directory_name(id);
  if (::mkdir(directory.c_str(), kMode) != 0 && errno == ENOENT) {
    make_directory(tcp_limits_in_, kMode);
    make_directory(directory, kMode);
  }
  write_cgroup_file(directory / kTcpLimit, std::to_string(bytes));
}

void CgroupTree::yield_processor(const std::string& id) const noexcept {
  set_share(id, kTenthOfShares, kTenthOfWeight);
}

void CgroupTree::claim_processor(const std::string& id) const noexcept {
  set_share(id, kDefaultShares, kDefaultWeight);
}

void CgroupTree::set_share(const std::string& id, std::string_view shares,
                           std::string_view weight) const noexcept {
  if (!sets_priority()) return;
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    try {
      const std::filesystem::path directory = directory_in(hierarchy, id);
      if (hierarchy.has("cpu")) write_cgroup_file(directory / "cpu.shares", shares);
      if (hierarchy.v2 && !limits_on_v1()) write_cgroup_file(directory / "cpu.weight", weight);
    } catch (const std::exception&) {
      continue;  // it counts elsewhere, or has gone
    }
  }
}

std::vector<pid_t> CgroupTree::members(const std::string& id) const {
  std::set<pid_t> pids;
  for (const std::filesystem::path& directory : directories_of(id)) {
    for (const pid_t pid : read_pids(directory / "cgroup.procs")) {
      if (pid > 0) pids.insert(pid);  // 0: a process of another pid namespace
    }
  }
  return {pids.begin(), pids.end()};
}

// A file is some 8 microseconds, so only those are asked that can know: where v1 counts, an
// instance's cgroup in the v2 tree of a hybrid host has no such files.
CgroupUsage CgroupTree::usage(const std::string& id) const {
  using std::chrono::microseconds;
  CgroupUsage usage;
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    const bool counts_cpu = hierarchy.has("cpuacct");
    const bool counts_memory = hierarchy.has("memory");
    if (!(hierarchy.v2 && v2_counts_) && !counts_cpu && !counts_memory) continue;
    const std::filesystem::path directory = directory_in(hierarchy, id);
    if (hierarchy.v2) {
      const auto spent_us = read_number(directory / "cpu.stat", "usage_usec");
      if (spent_us && !usage.cpu) usage.cpu = microseconds(*spent_us);
      const auto peak = read_number(directory / "memory.peak");
      if (peak) usage.memory_peak_bytes = peak;
      usage.oom_kills += read_number(directory / "memory.events", "oom_kill").value_or(0);
    }
    if (counts_cpu) {
      const auto spent_ns = read_number(directory / "cpuacct.usage");
      if (spent_ns) usage.cpu = microseconds(*spent_ns / 1000);
    }
    if (counts_memory) {
      usage.memory_peak_bytes = read_number(directory / "memory.max_usage_in_bytes");
      usage.oom_kills += read_number(directory / "memory.oom_control", "oom_kill").value_or(0);
    }
  }
  return usage;
}

std::uint64_t CgroupTree::memory_bytes(const std::string& id) const noexcept {
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    try {
      const std::filesystem::path directory = directory_in(hierarchy, id);
      if (hierarchy.has("memory")) return *read_number(directory / "memory.usage_in_bytes");
      if (hierarchy.v2 && v2_counts_) return *read_number(directory / "memory.current");
    } catch (const std::exception&) {
      continue;  // it has just gone
    }
  }
  return 0;
}

void CgroupTree::kill(const std::string& id) const {
  for (const pid_t pid : members(id)) {
    const std::optional<UniqueFd> process = open_pidfd(pid);
    if (!process) continue;
    // The number was read before the descriptor was opened: it counts only if it is still listed.
    const std::vector<pid_t> now = members(id);
    if (std::binary_search(now.begin(), now.end(), pid)) send_signal(process->get(), SIGKILL);
  }
}

bool CgroupTree::remove(const std::string& id) const {
  if (spares_->may_keep(id)) {
    if (!spares_->is_empty(id)) return false;
    if (spares_->keep(id)) return true;
  }
  bool gone = true;
  for (const std::filesystem::path& directory : directories_of(id)) {
    gone &= ::rmdir(directory.c_str()) == 0 || errno == ENOENT;
  }
  return gone;
}

std::optional<std::string> CgroupTree::id_of(std::string_view name) const {
  if (!by_systemd()) return std::string(name);
  const std::string prefix = kScopePrefix + std::string("-");
  if (!name.starts_with(prefix) || !name.ends_with(kScopeSuffix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  name.remove_suffix(kScopeSuffix.size());
  return std::string(name);
}

std::vector<std::string> CgroupTree::list() const {
  std::set<std::string> ids;
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    const std::filesystem::path parent = hierarchy.mount_point / parent_.substr(1);
    if (!std::filesystem::is_directory(parent)) continue;
    for (const std::string& name : list_directory(parent)) {
      if (!std::filesystem::is_directory(parent / name)) continue;
      if (const std::optional<std::string> id = id_of(name)) ids.insert(*id);
    }
  }
  return {ids.begin(), ids.end()};
}

}  // namespace sys
