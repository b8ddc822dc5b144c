#include "oci/sys/cgroup_spares.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string_view>

#include "oci/sys/cgroup.h"
#include "oci/sys/file.h"

namespace sys {
namespace {

// As many as end while others are made.
constexpr std::size_t kMostKept = 32;
// What the kernel has charged ahead for the processors that its processes were on, 64 pages each.
// With more, a cache of files for one: its first user would be charged for what is not his.
constexpr std::uint64_t kMostCharged = 512u << 10;
constexpr std::size_t kMaxFile = 64u << 10;
constexpr const char* kPrefix = "spare-";

void write_to(const std::filesystem::path& file, std::string_view text) {
  write_all(open_file(file, O_WRONLY).get(), text, file.string());
}

}  // namespace

CgroupSpares::~CgroupSpares() {
  for (const std::string& spare : kept_) remove(spare);
}

void CgroupSpares::made(const std::string& id) {
  if (places_.empty()) return;
  const std::lock_guard lock(mutex_);
  made_.insert(id);
}

bool CgroupSpares::may_keep(const std::string& id) {
  const std::lock_guard lock(mutex_);
  return made_.contains(id);
}

bool CgroupSpares::is_empty(const std::string& id) const noexcept try {
  for (const Place& place : places_) {
    const auto members = read_file_if_exists(place.parent / id / "cgroup.procs", kMaxFile);
    if (members && !members->empty()) return false;
  }
  return true;
} catch (const std::exception&) {
  return false;  // no descriptor is left, perhaps: it is looked at again
}

bool CgroupSpares::keep(const std::string& id) {
  std::string spare;
  {
    const std::lock_guard lock(mutex_);
    made_.erase(id);
    if (kept_.size() >= kMostKept) return false;
    spare = kPrefix + std::to_string(next_++);
  }
  if (!rename(id, spare)) return false;
  const std::lock_guard lock(mutex_);
  kept_.push_back(spare);
  return true;
}

bool CgroupSpares::give(const std::string& id) {
  for (;;) {
    std::string spare;
    {
      const std::lock_guard lock(mutex_);
      if (kept_.empty()) return false;
      spare = std::move(kept_.front());
      kept_.pop_front();
    }
    if (renew(spare) && rename(spare, id)) {
      made(id);
      return true;
    }
    remove(spare);
  }
}

// False if something of whoever had it is left, or counts for ever.
bool CgroupSpares::renew(const std::string& spare) const try {
  for (const Place& place : places_) {
    const std::filesystem::path directory = place.parent / spare;
    if (place.memory) {
      const std::string charged = read_file(directory / "memory.usage_in_bytes", kMaxFile);
      const std::string control = read_file(directory / "memory.oom_control", kMaxFile);
      if (std::stoull(charged) > kMostCharged) return false;
      if (number_in(control, "oom_kill").value_or(0) > 0) return false;
      write_to(directory / "memory.max_usage_in_bytes", "0");
    }
    if (place.cpuacct) write_to(directory / "cpuacct.usage", "0");
  }
  return true;
} catch (const std::exception&) {
  return false;
}

// In every place, or in none.
bool CgroupSpares::rename(const std::string& from, const std::string& to) const {
  const auto rename_in = [](const Place& place, const std::string& one, const std::string& other) {
    return std::rename((place.parent / one).c_str(), (place.parent / other).c_str()) == 0;
  };
  for (std::size_t done = 0; done < places_.size(); ++done) {
    if (rename_in(places_[done], from, to)) continue;
    while (done > 0) rename_in(places_[--done], to, from);
    return false;
  }
  return true;
}

void CgroupSpares::remove(const std::string& name) const {
  for (const Place& place : places_) ::rmdir((place.parent / name).c_str());
}

}  // namespace sys
