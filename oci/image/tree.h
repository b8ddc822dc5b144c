// File trees by directory descriptor: the kernel calls that unpacking and composing need. A `name`
// is one component, never a path, and is never followed if it is a symbolic link. Throws
// std::system_error that names the call and the name. Any thread.
// Source: openat(2), linkat(2), utimensat(2).
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/sys/unique_fd.h"

namespace image {

// Who owns a file, its permission bits, when it was written.
struct Metadata {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t mode = 0;
  timespec mtime{};
};

// The directory `path` below `root_fd`, no symbolic link on the way; empty if it is not there or a
// link or a file is in the way.
std::optional<sys::UniqueFd> open_directory_beneath(int root_fd, const std::string& path);
// The directory `name` itself; throws if it is anything else.
sys::UniqueFd open_directory_at(int dir_fd, const std::string& name);
// A regular file to read; throws if it is anything else.
sys::UniqueFd open_file_at(int dir_fd, const std::string& name);
// A new, empty, regular file, mode 0600. The second one says by an empty answer that the name is
// taken.
sys::UniqueFd create_file_at(int dir_fd, const std::string& name);
std::optional<sys::UniqueFd> create_file_if_absent_at(int dir_fd, const std::string& name);
// A new file without a name; it goes with its last descriptor.
sys::UniqueFd create_unnamed_file_at(int dir_fd);

std::optional<struct stat> stat_at(int dir_fd, const std::string& name);
struct stat stat_of(int fd);
std::string read_link_at(int dir_fd, const std::string& name);
// Names in a directory without `.` and `..`, unsorted. Throws sys::Refused(too_large) beyond
// kDirectoryNamesBytes.
std::vector<std::string> list_names(int dir_fd);

// False if `name` exists already.
bool make_directory_at(int dir_fd, const std::string& name, mode_t mode);
void make_symlink_at(const std::string& target, int dir_fd, const std::string& name);

enum class LinkResult { linked, exists, too_many_links };
LinkResult link_at(int from_dir_fd, const std::string& from, int to_dir_fd, const std::string& to);
void rename_at(int from_dir_fd, const std::string& from, int to_dir_fd, const std::string& to);
// False if there was no such name. Not for directories.
bool unlink_at(int dir_fd, const std::string& name);

// The directory `name` and everything in it, at any depth.
void remove_tree_at(int dir_fd, const std::string& name);

// At most `size` bytes from the beginning of a file.
std::string read_begin(int fd, std::size_t size);
// Where the open file lies below the open directory `root_fd`, as the container names it; the path
// itself if it lies elsewhere. proc(5), /proc/self/fd.
std::string path_in_root(int root_fd, int fd);

// From where both stand to the end of `from_fd`.
void copy_content(int from_fd, int to_fd);
void write_at(int fd, std::uint64_t offset, std::string_view bytes);
// Fills `bytes`; throws if the file ends before.
void read_at(int fd, std::uint64_t offset, std::string& bytes);
void set_size(int fd, std::uint64_t size);
void sync_filesystem(int fd);

// Of an open file or directory. Owner first, then mode: chown(2) clears setuid and setgid.
void set_owner_and_mode(int fd, const Metadata& metadata);
void set_mtime(int fd, timespec mtime);
// Of a symbolic link, which has no mode.
void set_link_metadata(int dir_fd, const std::string& name, const Metadata& metadata);

// The attributes that belong to an image: `user.*` and security.capability. Others (`trusted.*`,
// `security.selinux`, …) speak of the host that made it.
constexpr std::string_view kCapabilityXattr = "security.capability";
// Gives `to_fd` exactly those that `from_fd` has.
void copy_xattrs(int from_fd, int to_fd);

Metadata metadata_of(const struct stat& st);

}  // namespace image
