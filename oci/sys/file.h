// Files and directories: read with a bound, written so that a crash leaves the old or the new one,
// removed without following a link. A Directory is an open descriptor; paths are only for people.
// Throws std::system_error that names the path. Any thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/sys/unique_fd.h"

namespace sys {

// open(2) with O_CLOEXEC added. Throws.
UniqueFd open_file(const std::filesystem::path& path, int flags, mode_t mode = 0);
UniqueFd open_directory(const std::filesystem::path& path);

// openat2(2) with RESOLVE_IN_ROOT: `path` is seen as a process chrooted into `root_fd` would see
// it, so no link inside a container's tree leads out of it. Empty when it does not exist or is not
// reachable there; throws for other errors.
std::optional<UniqueFd> open_in_root(int root_fd, const std::string& path, int flags);

// The same for a path that must not leave the directory and may have no symbolic link at all, not
// even a harmless one.
std::optional<UniqueFd> open_beneath(int dir_fd, const std::string& path, int flags);

// The whole file, at most `max_bytes` of it; throws Refused(too_large) beyond that.
std::string read_file(const std::filesystem::path& path, std::size_t max_bytes);
std::string read_fd(int fd, std::size_t max_bytes, const std::string& what);
// The same, and nothing if it is not there.
std::optional<std::string> read_file_if_exists(const std::filesystem::path& path,
                                               std::size_t max_bytes);

// Writes all of `bytes`; blocking descriptors only.
void write_all(int fd, std::string_view bytes, const std::string& what);

// Replaces `path` as a whole: temporary file, fsync, rename, fsync of the directory. Mode 0600.
void write_file_durably(const std::filesystem::path& path, std::string_view bytes);

// Creates the directory with `mode`, and its parents if need be. One that is there is left as it
// is, but must belong to root or the caller. True if it was made.
bool make_directory(const std::filesystem::path& path, mode_t mode);

// Throws Refused(invalid, "unsafe_directory") if anybody but root and the caller could replace this
// directory or put something into it: it and all above it must belong to root or the caller, and be
// writable by nobody else unless sticky (as /tmp is; the last one not even then).
void check_private_directory(const std::filesystem::path& path);

// Lets a group pass through a directory that only its owner could enter (0700 becomes 0710); one
// with any other mode is left as it is.
void open_to_group(const std::filesystem::path& directory, gid_t group);
// Changes who owns what an open descriptor is of; fchown(2).
void change_owner(int fd, uid_t user, gid_t group);
// Changes the group of a name in a directory, not following a link.
void give_to_group(int directory_fd, const std::string& name, gid_t group);

// Removes a file or a whole tree, never crossing a symbolic link or a mount point. Bounded memory,
// any depth. A path that is not there is no error. Adds to `freed_bytes` what the disk gets back: a
// file that has another name elsewhere keeps its blocks.
void remove_tree(const std::filesystem::path& path, std::uint64_t* freed_bytes = nullptr);

// Makes names that were added to or removed from a directory survive a crash.
void sync_directory(const std::filesystem::path& path);

// Names in a directory without `.` and `..`, unsorted.
std::vector<std::string> list_directory(const std::filesystem::path& path);

// The hard limit of open files: what a child may be given without CAP_SYS_RESOURCE.
std::uint64_t file_limit();

// The `user.*` extended attributes of an open file or directory; xattr(7). None where the file
// system stores none.
std::vector<std::string> list_user_xattrs(int fd);
std::string read_xattr(int fd, const std::string& name);
// An attribute of any kind; nothing if the file has none of that name.
std::optional<std::string> read_xattr_if_exists(int fd, const std::string& name);
// False if the file system stores no such attribute, or has no room for one of that size.
bool set_xattr(int fd, const std::string& name, std::string_view value);
void remove_xattr(int fd, const std::string& name);
// Whether the kernel would take it as security.capability, by its size (capabilities(7)).
bool may_be_file_capability(std::string_view value);

// An flock(2) on `path`, held as long as this object lives; its file says who holds it, and goes
// with the lock.
class LockFile {
 public:
  // Throws Refused(conflict) that names the pid of the holder if another process has it.
  explicit LockFile(std::filesystem::path path);
  ~LockFile();
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

 private:
  std::filesystem::path path_;
  UniqueFd fd_;
};

}  // namespace sys
