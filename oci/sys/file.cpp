#include "oci/sys/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "oci/sys/error.h"
#include "oci/sys/random.h"

namespace sys {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};
using DirStream = std::unique_ptr<DIR, CloseDir>;

DirStream read_directory(UniqueFd fd, const std::string& what) {
  DirStream dir(::fdopendir(fd.get()));
  if (!dir) throw_errno("read directory " + what);
  fd.release();  // closedir closes it
  return dir;
}

bool is_dot(const char* name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

dev_t device_of(int fd, const std::string& what) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) throw_errno("stat " + what);
  return st.st_dev;
}

// One level of the walk of remove_tree: an open directory that is being emptied.
struct Level {
  DirStream dir;
  std::string name;
};

// XATTR_SIZE_MAX and XATTR_LIST_MAX are the same number.
constexpr std::size_t kMaxXattrBytes = 65536;

constexpr int kOpenDirFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// What the disk gets back when this name goes: nothing while the file has another one.
std::uint64_t bytes_behind(int dir_fd, const char* name) {
  struct stat st {};
  if (::fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) return 0;
  return static_cast<std::uint64_t>(st.st_blocks) * S_BLKSIZE;
}

// False if it is still there, with errno saying why.
bool remove_name(int dir_fd, const char* name, int flags, std::uint64_t* freed_bytes) {
  const std::uint64_t bytes = freed_bytes != nullptr ? bytes_behind(dir_fd, name) : 0;
  if (::unlinkat(dir_fd, name, flags) != 0) return errno == ENOENT;
  if (freed_bytes != nullptr) *freed_bytes += bytes;
  return true;
}

// Removes what is in `top` with an explicit stack: a hostile tree can be deeper than our own stack.
// Past kMaxOpenLevels the deepest directory is moved up to the top first, so descriptors are
// bounded.
constexpr std::size_t kMaxOpenLevels = 64;

void empty_directory(UniqueFd top, const std::string& what, std::uint64_t* freed_bytes) {
  const dev_t device = device_of(top.get(), what);
  bool moved = false;
  std::vector<Level> stack;
  stack.push_back({read_directory(std::move(top), what), what});
  while (!stack.empty()) {
    DIR* dir = stack.back().dir.get();
    const int dir_fd = ::dirfd(dir);
    errno = 0;
    const dirent* entry = ::readdir(dir);
    if (entry == nullptr) {
      if (errno != 0) throw_errno("read directory in " + what);
      const std::string name = stack.back().name;
      stack.pop_back();
      if (stack.empty()) break;
      const int parent = ::dirfd(stack.back().dir.get());
      if (!remove_name(parent, name.c_str(), AT_REMOVEDIR, freed_bytes)) {
        // Entries that were moved up or made meanwhile: read that directory once more.
        if (errno != ENOTEMPTY) throw_errno("remove directory " + name + " in " + what);
        ::rewinddir(stack.back().dir.get());
      } else if (moved) {
        ::rewinddir(stack.back().dir.get());
      }
      continue;
    }
    if (is_dot(entry->d_name)) continue;
    const std::string name = entry->d_name;
    if (remove_name(dir_fd, name.c_str(), 0, freed_bytes)) continue;
    if (errno != EISDIR && errno != EPERM) throw_errno("remove " + name + " in " + what);
    if (stack.size() >= kMaxOpenLevels) {
      const std::string up = ".deep-" + random_hex(16);  // no name that the tree could have chosen
      moved = true;
      const int top_fd = ::dirfd(stack.front().dir.get());
      if (::renameat(dir_fd, name.c_str(), top_fd, up.c_str()) != 0) {
        throw_errno("move " + name + " in " + what);
      }
      continue;
    }
    UniqueFd child(::openat(dir_fd, name.c_str(), kOpenDirFlags));
    if (!child) throw_errno("open directory " + name + " in " + what);
    if (device_of(child.get(), name) != device) {
      throw_errno(EXDEV, "remove " + name + " in " + what + ", which is a mount point");
    }
    stack.push_back({read_directory(std::move(child), name), name});
  }
}

// Empty for what is not there, or not reachable in the way that `resolve` allows.
std::optional<UniqueFd> open_resolved(int dir_fd, const std::string& path, int flags,
                                      std::uint64_t resolve) {
  struct open_how how {};
  how.flags = static_cast<__u64>(flags | O_CLOEXEC);
  how.resolve = resolve;
  // EAGAIN: a rename raced with the resolution of `..` (openat2(2)); the caller may simply retry.
  for (int attempt = 0; attempt < 16; ++attempt) {
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, dir_fd, path.c_str(), &how, sizeof how)));
    if (fd) return fd;
    if (errno == EAGAIN || errno == EINTR) continue;
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENAMETOOLONG) {
      return std::nullopt;
    }
    break;
  }
  throw_errno("open " + path + " inside a root");
}

}  // namespace

UniqueFd open_file(const std::filesystem::path& path, int flags, mode_t mode) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) throw_errno("open " + path.string());
  return fd;
}

UniqueFd open_directory(const std::filesystem::path& path) {
  return open_file(path, O_RDONLY | O_DIRECTORY);
}

std::optional<UniqueFd> open_in_root(int root_fd, const std::string& path, int flags) {
  return open_resolved(root_fd, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

std::optional<UniqueFd> open_beneath(int dir_fd, const std::string& path, int flags) {
  return open_resolved(dir_fd, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

std::string read_fd(int fd, std::size_t max_bytes, const std::string& what) {
  std::string bytes;
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("read " + what);
    if (n == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(n));
    if (bytes.size() > max_bytes) {
      throw Refused(Refusal::too_large, "file_too_large",
                    what + " is larger than " + std::to_string(max_bytes) + " bytes");
    }
  }
}

std::string read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  return read_fd(open_file(path, O_RDONLY).get(), max_bytes, path.string());
}

std::optional<std::string> read_file_if_exists(const std::filesystem::path& path,
                                               std::size_t max_bytes) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (!fd) throw_errno("open " + path.string());
  return read_fd(fd.get(), max_bytes, path.string());
}

void write_all(int fd, std::string_view bytes, const std::string& what) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("write " + what);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void write_file_durably(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  try {
    const UniqueFd fd =
        open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    write_all(fd.get(), bytes, temporary.string());
    if (::fsync(fd.get()) != 0) throw_errno("fsync " + temporary.string());
    if (::rename(temporary.c_str(), path.c_str()) != 0) throw_errno("rename to " + path.string());
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_directory(path.parent_path());
}

void sync_directory(const std::filesystem::path& path) {
  if (::fsync(open_directory(path).get()) != 0) throw_errno("fsync " + path.string());
}

bool make_directory(const std::filesystem::path& path, mode_t mode) {
  if (path.has_parent_path() && !std::filesystem::exists(path.parent_path())) {
    make_directory(path.parent_path(), S_IRWXU | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH);
  }
  const bool created = ::mkdir(path.c_str(), mode) == 0;
  if (!created && errno != EEXIST) throw_errno("make directory " + path.string());
  const UniqueFd fd = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) throw_errno("stat " + path.string());
  if (st.st_uid != 0 && st.st_uid != ::geteuid()) {
    throw_errno(EPERM, "use directory " + path.string() + ", which belongs to somebody else");
  }
  // Only what we made ourselves is ours to change: --state-dir may name a directory of the user's.
  if (created && ::fchmod(fd.get(), mode) != 0) throw_errno("chmod " + path.string());
  return created;
}

void check_private_directory(const std::filesystem::path& path) {
  std::filesystem::path at = "/";
  for (const std::filesystem::path& component : path) {
    at /= component;
    struct stat st {};
    if (::lstat(at.c_str(), &st) != 0) throw_errno("stat " + at.string());
    const bool ours = st.st_uid == 0 || st.st_uid == ::geteuid();
    const bool open = (st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
    const bool sticky = (st.st_mode & S_ISVTX) != 0 && at != path;
    // A link's own mode says nothing; what it names is checked by its own path.
    if (S_ISLNK(st.st_mode) && ours)
      return check_private_directory(std::filesystem::canonical(path));
    if (ours && (!open || sticky)) continue;
    throw Refused(
        Refusal::invalid, "unsafe_directory",
        at.string() +
            " can be changed by other users than root, who could then make root "
            "run what they like: chown root and chmod go-w it, or choose another directory");
  }
}

void open_to_group(const std::filesystem::path& directory, gid_t group) {
  const UniqueFd fd = open_file(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) throw_errno("stat " + directory.string());
  if ((st.st_mode & ALLPERMS) != S_IRWXU) return;
  if (::fchown(fd.get(), static_cast<uid_t>(-1), group) != 0 ||
      ::fchmod(fd.get(), S_IRWXU | S_IXGRP) != 0) {
    throw_errno("open " + directory.string() + " to its group");
  }
}

void change_owner(int fd, uid_t user, gid_t group) {
  if (::fchown(fd, user, group) != 0) throw_errno("fchown");
}

void give_to_group(int directory_fd, const std::string& name, gid_t group) {
  if (::fchownat(directory_fd, name.c_str(), static_cast<uid_t>(-1), group, AT_SYMLINK_NOFOLLOW) !=
      0) {
    throw_errno("change the group of " + name);
  }
}

void remove_tree(const std::filesystem::path& path, std::uint64_t* freed_bytes) {
  if (remove_name(AT_FDCWD, path.c_str(), 0, freed_bytes) || errno == ENOTDIR) return;
  if (errno != EISDIR && errno != EPERM) throw_errno("remove " + path.string());
  UniqueFd fd(::open(path.c_str(), kOpenDirFlags));
  if (!fd) throw_errno("open directory " + path.string());
  empty_directory(std::move(fd), path.string(), freed_bytes);
  if (!remove_name(AT_FDCWD, path.c_str(), AT_REMOVEDIR, freed_bytes)) {
    throw_errno("remove " + path.string());
  }
}

std::vector<std::string> list_directory(const std::filesystem::path& path) {
  const DirStream dir = read_directory(open_directory(path), path.string());
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    if (!is_dot(entry->d_name)) names.emplace_back(entry->d_name);
  }
  if (errno != 0) throw_errno("read directory " + path.string());
  return names;
}

std::uint64_t file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) throw_errno("getrlimit(RLIMIT_NOFILE)");
  return limit.rlim_max;
}

std::vector<std::string> list_user_xattrs(int fd) {
  ssize_t size = ::flistxattr(fd, nullptr, 0);
  if (size == 0 || (size < 0 && errno == ENOTSUP)) return {};
  std::string list(kMaxXattrBytes, '\0');
  size = ::flistxattr(fd, list.data(), list.size());
  if (size < 0) throw_errno("flistxattr");
  list.resize(static_cast<std::size_t>(size));
  std::vector<std::string> names;
  for (std::size_t at = 0; at < list.size();) {
    const std::string name = list.c_str() + at;  // each name ends with a NUL
    if (name.starts_with("user.")) names.push_back(name);
    at += name.size() + 1;
  }
  return names;
}

std::string read_xattr(int fd, const std::string& name) {
  std::string value(kMaxXattrBytes, '\0');
  const ssize_t size = ::fgetxattr(fd, name.c_str(), value.data(), value.size());
  if (size < 0) throw_errno("fgetxattr " + name);
  value.resize(static_cast<std::size_t>(size));
  return value;
}

std::optional<std::string> read_xattr_if_exists(int fd, const std::string& name) {
  std::string value(kMaxXattrBytes, '\0');
  const ssize_t size = ::fgetxattr(fd, name.c_str(), value.data(), value.size());
  if (size < 0 && (errno == ENODATA || errno == ENOTSUP)) return std::nullopt;
  if (size < 0) throw_errno("fgetxattr " + name);
  value.resize(static_cast<std::size_t>(size));
  return value;
}

bool set_xattr(int fd, const std::string& name, std::string_view value) {
  if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) == 0) return true;
  // ENOSPC speaks of the room for attributes beside the inode, not of the disk.
  if (errno == ENOTSUP || errno == ENOSPC || errno == E2BIG || errno == ERANGE) return false;
  throw_errno("fsetxattr " + name);
}

bool may_be_file_capability(std::string_view value) {
  return value.size() == XATTR_CAPS_SZ_2 || value.size() == XATTR_CAPS_SZ_3;
}

void remove_xattr(int fd, const std::string& name) {
  if (::fremovexattr(fd, name.c_str()) != 0) throw_errno("fremovexattr " + name);
}

LockFile::LockFile(std::filesystem::path path) : path_(std::move(path)) {
  struct stat held {};
  struct stat named {};
  do {
    fd_ = open_file(path_, O_RDWR | O_CREAT | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) throw_errno("lock " + path_.string());
      std::string pid = read_fd(fd_.get(), 64, path_.string());
      while (!pid.empty() && pid.back() == '\n') pid.pop_back();
      throw Refused(Refusal::conflict, "already_running",
                    "another faasd (pid " + pid + ") holds " + path_.parent_path().string() +
                        "; stop it, or start this one with other --state-dir and --run-dir");
    }
    // The holder before us may have removed the name between our open and our lock: then this is a
    // lock on a file that nobody else will ever see.
    if (::fstat(fd_.get(), &held) != 0) throw_errno("stat " + path_.string());
  } while (::stat(path_.c_str(), &named) != 0 || named.st_ino != held.st_ino);
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd_.get(), 0) != 0 ||
      ::pwrite(fd_.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    throw_errno("write " + path_.string());
  }
}

LockFile::~LockFile() {
  ::unlink(path_.c_str());
}

}  // namespace sys
