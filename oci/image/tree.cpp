#include "oci/image/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <memory>

#include "oci/image/quota.h"
#include "oci/image/refusal.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace image {
namespace {

constexpr std::size_t kCopyBytes = 256U << 10;
constexpr int kReadDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

[[noreturn]] void fail(const char* call, std::string_view name) {
  const int error = errno;
  sys::throw_errno(error, std::string(call) + " " + printable(name));
}

struct CloseDir {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

}  // namespace

std::optional<sys::UniqueFd> open_directory_beneath(int root_fd, const std::string& path) {
  sys::UniqueFd fd;
  // What the kernel takes at once has less than PATH_MAX bytes; the rest of a longer path is opened
  // from where the first part led.
  std::size_t begin = 0;
  do {
    std::size_t end = path.size();
    if (end - begin > kPathBytes) end = path.rfind('/', begin + kPathBytes);
    if (end == std::string::npos || end < begin) sys::throw_errno(ENAMETOOLONG, "open directory");
    const std::string part = begin == end ? "." : path.substr(begin, end - begin);
    std::optional<sys::UniqueFd> next =
        sys::open_beneath(fd ? fd.get() : root_fd, part, kReadDirectory);
    if (!next) return std::nullopt;
    fd = std::move(*next);
    begin = end + 1;
  } while (begin < path.size());
  return fd;
}

sys::UniqueFd open_directory_at(int dir_fd, const std::string& name) {
  sys::UniqueFd fd(::openat(dir_fd, name.c_str(), kReadDirectory));
  if (!fd) fail("open directory", name);
  return fd;
}

sys::UniqueFd open_file_at(int dir_fd, const std::string& name) {
  // O_NONBLOCK: a fifo would wait for its writer.
  sys::UniqueFd fd(
      ::openat(dir_fd, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) fail("open", name);
  if (!S_ISREG(stat_of(fd.get()).st_mode)) sys::throw_errno(EINVAL, "open " + printable(name));
  return fd;
}

sys::UniqueFd create_file_at(int dir_fd, const std::string& name) {
  std::optional<sys::UniqueFd> fd = create_file_if_absent_at(dir_fd, name);
  if (!fd) fail("create", name);
  return std::move(*fd);
}

std::optional<sys::UniqueFd> create_file_if_absent_at(int dir_fd, const std::string& name) {
  sys::UniqueFd fd(::openat(dir_fd, name.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                            S_IRUSR | S_IWUSR));
  if (fd) return fd;
  if (errno == EEXIST) return std::nullopt;
  fail("create", name);
}

sys::UniqueFd create_unnamed_file_at(int dir_fd) {
  sys::UniqueFd fd(::openat(dir_fd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!fd) fail("create a temporary file", ".");
  return fd;
}

std::optional<struct stat> stat_at(int dir_fd, const std::string& name) {
  struct stat st {};
  if (::fstatat(dir_fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) return st;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  fail("stat", name);
}

struct stat stat_of(int fd) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) fail("fstat", "");
  return st;
}

std::string read_link_at(int dir_fd, const std::string& name) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlinkat(dir_fd, name.c_str(), target.data(), target.size());
  if (size < 0) fail("readlink", name);
  return {target.data(), static_cast<std::size_t>(size)};
}

std::vector<std::string> list_names(int dir_fd) {
  // A descriptor of its own: closedir closes it, and its position is nobody else's.
  sys::UniqueFd copy(::openat(dir_fd, ".", kReadDirectory));
  if (!copy) fail("open directory", ".");
  const std::unique_ptr<DIR, CloseDir> dir(::fdopendir(copy.get()));
  if (!dir) fail("read directory", ".");
  copy.release();
  std::vector<std::string> names;
  std::size_t bytes = 0;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (bytes += name.size(); bytes > kDirectoryNamesBytes) {
      refuse_too_large("the names in a directory", kDirectoryNamesBytes, "bytes");
    }
    names.emplace_back(name);
  }
  if (errno != 0) fail("read directory", ".");
  return names;
}

bool make_directory_at(int dir_fd, const std::string& name, mode_t mode) {
  if (::mkdirat(dir_fd, name.c_str(), mode) == 0) return true;
  if (errno == EEXIST) return false;
  fail("mkdir", name);
}

void make_symlink_at(const std::string& target, int dir_fd, const std::string& name) {
  if (::symlinkat(target.c_str(), dir_fd, name.c_str()) != 0) fail("symlink", name);
}

LinkResult link_at(int from_dir_fd, const std::string& from, int to_dir_fd, const std::string& to) {
  if (::linkat(from_dir_fd, from.c_str(), to_dir_fd, to.c_str(), 0) == 0) return LinkResult::linked;
  if (errno == EEXIST) return LinkResult::exists;
  if (errno == EMLINK) return LinkResult::too_many_links;
  fail("link", to);
}

void rename_at(int from_dir_fd, const std::string& from, int to_dir_fd, const std::string& to) {
  if (::renameat(from_dir_fd, from.c_str(), to_dir_fd, to.c_str()) != 0) fail("rename", to);
}

bool unlink_at(int dir_fd, const std::string& name) {
  if (::unlinkat(dir_fd, name.c_str(), 0) == 0) return true;
  if (errno == ENOENT) return false;
  fail("unlink", name);
}

void remove_tree_at(int dir_fd, const std::string& name) {
  // The kernel's own link to the directory that is open (proc(5)): no path leads there from outside
  // that somebody could have changed, and the last component is not followed.
  sys::remove_tree("/proc/self/fd/" + std::to_string(dir_fd) + "/" + name);
}

std::string read_begin(int fd, std::size_t size) {
  std::string bytes(size, '\0');
  const ssize_t n = ::pread(fd, bytes.data(), bytes.size(), 0);
  if (n < 0) fail("read", "");
  bytes.resize(static_cast<std::size_t>(n));
  return bytes;
}

std::string path_in_root(int root_fd, int fd) {
  const std::string root = read_link_at(AT_FDCWD, "/proc/self/fd/" + std::to_string(root_fd));
  const std::string path = read_link_at(AT_FDCWD, "/proc/self/fd/" + std::to_string(fd));
  if (path == root) return "/";
  return path.starts_with(root + "/") ? path.substr(root.size()) : path;
}

void copy_content(int from_fd, int to_fd) {
  std::vector<char> buffer(kCopyBytes);
  for (;;) {
    const ssize_t n = ::read(from_fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", "");
    if (n == 0) return;
    sys::write_all(to_fd, {buffer.data(), static_cast<std::size_t>(n)}, "a copy of a file");
  }
}

void write_at(int fd, std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", "");
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void read_at(int fd, std::uint64_t offset, std::string& bytes) {
  for (std::size_t filled = 0; filled < bytes.size();) {
    const ssize_t n = ::pread(fd, bytes.data() + filled, bytes.size() - filled,
                              static_cast<off_t>(offset + filled));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", "");
    if (n == 0) sys::throw_errno(EIO, "read");
    filled += static_cast<std::size_t>(n);
  }
}

void set_size(int fd, std::uint64_t size) {
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0) fail("ftruncate", "");
}

void sync_filesystem(int fd) {
  if (::syncfs(fd) != 0) fail("syncfs", "");
}

void set_owner_and_mode(int fd, const Metadata& metadata) {
  if (::fchown(fd, metadata.uid, metadata.gid) != 0) fail("fchown", "");
  if (::fchmod(fd, metadata.mode & 07777U) != 0) fail("fchmod", "");
}

void set_mtime(int fd, timespec mtime) {
  const timespec times[2] = {mtime, mtime};
  if (::futimens(fd, times) != 0) fail("futimens", "");
}

void set_link_metadata(int dir_fd, const std::string& name, const Metadata& metadata) {
  if (::fchownat(dir_fd, name.c_str(), metadata.uid, metadata.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    fail("lchown", name);
  }
  const timespec times[2] = {metadata.mtime, metadata.mtime};
  if (::utimensat(dir_fd, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) fail("utimensat", name);
}

void copy_xattrs(int from_fd, int to_fd) {
  const std::string capability(kCapabilityXattr);
  for (const std::string& name : sys::list_user_xattrs(to_fd)) sys::remove_xattr(to_fd, name);
  for (const std::string& name : sys::list_user_xattrs(from_fd)) {
    sys::set_xattr(to_fd, name, sys::read_xattr(from_fd, name));
  }
  if (const auto value = sys::read_xattr_if_exists(from_fd, capability)) {
    sys::set_xattr(to_fd, capability, *value);
  }
}

Metadata metadata_of(const struct stat& st) {
  return {st.st_uid, st.st_gid, st.st_mode & 07777U, st.st_mtim};
}

}  // namespace image
