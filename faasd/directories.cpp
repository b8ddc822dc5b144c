#include "faasd/directories.h"

#include <unistd.h>

#include <cstdint>
#include <optional>

#include "oci/runtime/rootfs_view.h"
#include "oci/sys/credentials.h"
#include "oci/sys/error.h"

namespace {

constexpr const char* kGroup = "faas";

// Asked before the first directory is touched: what fails first would not say why.
std::filesystem::path for_root(std::filesystem::path path) {
  if (sys::is_root()) return path;
  throw sys::Refused(sys::Refusal::forbidden, "not_root",
                     "faasd must run as root: it makes containers, cgroups and addresses; "
                     "start it with sudo");
}

std::filesystem::path made(const std::filesystem::path& path) {
  if (runtime::RootfsViews::hide(path)) {
    throw sys::Refused(sys::Refusal::invalid, "unsafe_directory",
                       path.string() +
                           " lies where faasd mounts root filesystems for containers; "
                           "choose another directory");
  }
  sys::make_directory(path, 0700);
  sys::check_private_directory(path);
  return path;
}

// FNV-1a: only has to tell run directories apart, not to resist anybody.
std::uint64_t hash_of(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

}  // namespace

Directories::Directories(std::filesystem::path state_dir, std::filesystem::path run_dir)
    : state_(for_root(std::move(state_dir))),
      run_(std::move(run_dir)),
      made_run_(run_),
      state_lock_(made(state_) / "lock"),
      run_lock_(run_ / "lock") {
  made(bundles());
  // Members of the group reach the socket in here; everything else below is root's alone.
  if (const std::optional<gid_t> group = sys::group_id(kGroup)) sys::open_to_group(run_, *group);
}

Directories::Made::Made(std::filesystem::path p)
    : path(std::move(p)), here(sys::make_directory(path, 0700)) {
  sys::check_private_directory(path);
}

Directories::Made::~Made() {
  if (here) ::rmdir(path.c_str());
}

Directories::~Directories() {
  for (const std::filesystem::path& path : {bundles(), runtime_root(), address_journal()}) {
    try {
      sys::remove_tree(path);
    } catch (const std::exception&) {
      // Left for the next start, which looks here first.
    }
  }
}

std::string Directories::cgroup_name() const {
  if (run_ == "/run/faasd") return "faasd";
  constexpr char kDigits[] = "0123456789abcdef";
  std::string name = "faasd-";
  for (std::uint64_t hash = hash_of(run_.string()), i = 0; i < 8; ++i, hash >>= 4) {
    name += kDigits[hash & 15];
  }
  return name;
}
