#include "tests/fuzz/throw_away_root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <system_error>

#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "tests/fuzz/fuzz_target.h"

namespace fuzz {
namespace {

namespace fs = std::filesystem;

// On every Debian machine, and nobody's while this process looks at it: the mount is private.
constexpr const char* kPlace = "/mnt";
// Room for the largest input's layers and the tree composed of them, in bytes and in inodes.
constexpr const char* kBounds = "size=64m,nr_inodes=20k,mode=0755";

void check(int result, const std::string& what) {
  if (result != 0) sys::throw_errno(what);
}

void set_read_only(const fs::path& path, bool read_only) {
  mount_attr attributes{};
  (read_only ? attributes.attr_set : attributes.attr_clr) = MOUNT_ATTR_RDONLY;
  const unsigned flags = read_only ? AT_RECURSIVE : 0U;
  check(::mount_setattr(AT_FDCWD, path.c_str(), flags, &attributes, sizeof attributes),
        "mount_setattr " + path.string());
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

// Each kind of thing that a layer could reach: by name, through a link, by a hard link, from above.
void make_canary(const fs::path& canary) {
  fs::create_directories(canary / "etc");
  fs::create_directories(canary / "dir" / "deep");
  write(canary / "etc" / "passwd", "root:x:0:0:root:/root:/bin/sh\n");
  write(canary / "file", "canary\n");
  write(canary / "dir" / "deep" / "file", "deep canary\n");
  fs::create_symlink("etc/passwd", canary / "link");
  fs::create_directory_symlink("dir", canary / "dirlink");
}

std::string describe(const fs::path& path, bool with_changes) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) sys::throw_errno("lstat " + path.string());
  std::string text;
  for (const auto number :
       {static_cast<std::uint64_t>(st.st_ino), std::uint64_t{st.st_mode}, std::uint64_t{st.st_uid},
        std::uint64_t{st.st_gid}, static_cast<std::uint64_t>(S_ISDIR(st.st_mode) ? 0 : st.st_size),
        static_cast<std::uint64_t>(st.st_mtim.tv_sec),
        static_cast<std::uint64_t>(st.st_mtim.tv_nsec)}) {
    text += std::to_string(number) + " ";
  }
  if (S_ISLNK(st.st_mode)) text += fs::read_symlink(path).string();
  if (!with_changes) return text;
  text += " links " + std::to_string(st.st_nlink) + " changed " +
          std::to_string(st.st_ctim.tv_sec) + "." + std::to_string(st.st_ctim.tv_nsec);
  // Looking at a directory or a link is reading it; of files only the names are looked at.
  if (S_ISREG(st.st_mode)) {
    text += " read " + std::to_string(st.st_atim.tv_sec) + "." + std::to_string(st.st_atim.tv_nsec);
  }
  return text;
}

}  // namespace

TreeState state_of(const fs::path& tree, bool with_changes) {
  TreeState state;
  state[""] = describe(tree, with_changes);
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(tree)) {
    const fs::path& path = entry.path();
    state[path.string().substr(tree.string().size())] = describe(path, with_changes);
  }
  return state;
}

ThrowAwayRoot::ThrowAwayRoot(const std::vector<fs::path>& writable)
    : place_(kPlace), work_(place_ / "work"), canary_(place_ / "canary") {
  check(::unshare(CLONE_NEWNS), "unshare (root is needed)");
  check(::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make mounts private");
  for (const fs::path& path : writable) {
    check(::mount(path.c_str(), path.c_str(), nullptr, MS_BIND, nullptr), "bind " + path.string());
  }
  set_read_only("/", true);
  for (const fs::path& path : writable) set_read_only(path, false);
  check(::mount("tmpfs", kPlace, "tmpfs", MS_NOSUID | MS_NODEV | MS_STRICTATIME, kBounds),
        "mount a tmpfs");
  make_canary(canary_);
  reset();
  before_ = state_of(canary_, true);
}

// The directory itself is new each time: a layer may have changed its owner, mode and times.
const fs::path& ThrowAwayRoot::reset() {
  sys::remove_tree(work_);
  fs::create_directory(work_);
  return work_;
}

void ThrowAwayRoot::require_untouched() const {
  std::size_t names = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(place_)) {
    require(entry.path() == work_ || entry.path() == canary_,
            "nothing is made outside: " + entry.path().string());
    ++names;
  }
  require(names == 2, "nothing outside is removed");
  const TreeState now = state_of(canary_, true);
  for (const auto& [path, state] : before_) {
    const auto found = now.find(path);
    require(found != now.end(), "nothing outside is removed: " + path);
    require(found->second == state,
            "nothing outside is touched: " + path + ": " + state + " → " + found->second);
  }
  require(now.size() == before_.size(), "nothing is made outside");
}

}  // namespace fuzz
