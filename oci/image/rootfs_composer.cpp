#include "oci/image/rootfs_composer.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "oci/image/entry_path.h"
#include "oci/image/refusal.h"
#include "oci/sys/clock.h"
#include "oci/sys/file.h"

namespace image {
namespace {

constexpr mode_t kDirectoryMode = 0755;

struct MountPoint {
  const char* name;
  mode_t mode;
};
constexpr std::array<MountPoint, 4> kMountPoints = {
    {{"proc", 0555}, {"sys", 0555}, {"dev", 0755}, {"tmp", 01777}}};
constexpr const char* kControlSocket = "control.sock";

bool is_marker(const std::string& name) {
  return name.starts_with(kWhiteoutPrefix);
}

bool is_implied(int dir_fd) {
  return stat_at(dir_fd, std::string(kImpliedMarker)).has_value();
}

// A file of its own where the file system has no room for one more name of the inode.
void copy_file(int from_fd, const std::string& from_name, int to_fd, const std::string& name,
               const struct stat& st) {
  if (S_ISLNK(st.st_mode)) {
    make_symlink_at(read_link_at(from_fd, from_name), to_fd, name);
    set_link_metadata(to_fd, name, metadata_of(st));
    return;
  }
  const sys::UniqueFd from = open_file_at(from_fd, from_name);
  const sys::UniqueFd to = create_file_at(to_fd, name);
  copy_content(from.get(), to.get());
  set_owner_and_mode(to.get(), metadata_of(st));
  copy_xattrs(from.get(), to.get());
  set_mtime(to.get(), st.st_mtim);
}

}  // namespace

// What one directory of a layer says.
struct RootfsComposer::Names {
  bool opaque = false;
  std::vector<std::string> hidden;   // whiteouts, without their prefix
  std::vector<std::string> links;    // hard links to lower layers, likewise
  std::vector<std::string> entries;  // everything else
};

RootfsComposer::RootfsComposer(sys::UniqueFd root, const Quota& quota, const std::stop_token& stop)
    : root_(std::move(root)), quota_(quota), stop_(stop), cpu_before_(sys::thread_cpu_time()) {
  set_owner_and_mode(root_.get(), {0, 0, kDirectoryMode, {}});
}

void RootfsComposer::apply_layer(int layer_fd) {
  apply_directory(layer_fd, "");
}

// The directory as it stands now in the new root: what an implied directory of a layer means may
// lie behind a symbolic link of a lower layer.
sys::UniqueFd RootfsComposer::open_target(const std::string& path) const {
  std::optional<sys::UniqueFd> fd =
      sys::open_in_root(root_.get(), path.empty() ? "." : path, O_RDONLY | O_DIRECTORY);
  if (!fd) refuse("bad_layer", "the directory '" + printable(path) + "' replaces its own parent");
  return std::move(*fd);
}

// Links of the layers below may lead anywhere in the tree, so what is shallow in a layer can come
// to lie deep: all who walk the tree later count on the bound.
void RootfsComposer::check_depth(int directory_fd) const {
  std::string path;
  try {
    path = path_in_root(root_.get(), directory_fd);
  } catch (const std::system_error& error) {
    if (error.code().value() != ENAMETOOLONG) throw;
    refuse_too_large("a path through symbolic links", kPathBytes, "bytes");
  }
  const auto depth = static_cast<std::uint64_t>(std::count(path.begin(), path.end(), '/'));
  if (depth > quota_.path_depth) {
    refuse_too_large("a path through symbolic links", quota_.path_depth, "directories");
  }
}

// Recursion is bounded by Quota::path_depth, and no descriptor is held across it.
void RootfsComposer::apply_directory(int layer_fd, const std::string& path) {
  bool implied = false;
  struct stat before {};
  std::vector<std::string> directories;
  {
    const auto from = open_directory_beneath(layer_fd, path);
    if (!from) refuse("bad_layer", "the directory '" + printable(path) + "' of a layer is gone");
    const sys::UniqueFd to = open_target(path);
    check_depth(to.get());
    implied = is_implied(from->get());
    before = stat_of(to.get());
    directories = merge_names(from->get(), to.get(), path);
  }
  for (const std::string& name : directories) apply_directory(layer_fd, join_path(path, name));
  finish_directory(layer_fd, path, implied, before);
}

// Whiteouts first: they speak of the layers below, in whatever order the archive had them. Returns
// the directories that are to be gone into.
std::vector<std::string> RootfsComposer::merge_names(int from_fd, int to_fd,
                                                     const std::string& path) {
  Names names;
  for (std::string& name : list_names(from_fd)) {
    if (name == kOpaqueMarker) {
      names.opaque = true;
    } else if (name.starts_with(kLinkMarkerPrefix)) {
      names.links.push_back(name.substr(kLinkMarkerPrefix.size()));
    } else if (is_marker(name)) {
      if (!name.starts_with(kReservedPrefix)) {
        names.hidden.push_back(name.substr(kWhiteoutPrefix.size()));
      }
    } else {
      names.entries.push_back(std::move(name));
    }
  }
  charge(names.hidden.size() + names.links.size() + names.entries.size());
  apply_whiteouts(names, to_fd, path);
  for (const std::string& name : names.links) place_link(from_fd, to_fd, path, name);
  std::vector<std::string> directories;
  for (std::string& name : names.entries) {
    const auto st = stat_at(from_fd, name);
    if (!st) continue;
    if (S_ISDIR(st->st_mode)) {
      place_directory(from_fd, to_fd, path, name);
      directories.push_back(std::move(name));
    } else if (S_ISREG(st->st_mode) || S_ISLNK(st->st_mode)) {
      place_file(from_fd, name, to_fd, path, name, *st);
    } else {
      refuse("bad_layer", "'" + printable(join_path(path, name)) + "' is a special file");
    }
  }
  return directories;
}

void RootfsComposer::charge(std::size_t names) {
  if (stop_.stop_requested()) refuse_while_stopping();
  names_ += names;
  if (names_ > quota_.entries) {
    refuse_too_large("the image", quota_.entries, "files and directories in all its layers");
  }
  if (size_bytes_ > quota_.unpacked_bytes) {
    refuse_too_large("the image", quota_.unpacked_bytes, "bytes of files");
  }
  if (sys::thread_cpu_time() - cpu_before_ > kComposeCpu) {
    refuse_too_large("putting the layers together takes",
                     static_cast<std::uint64_t>(kComposeCpu.count()), "seconds of a processor");
  }
}

void RootfsComposer::apply_whiteouts(const Names& names, int to_fd, const std::string& path) {
  if (names.opaque) {
    for (const std::string& name : list_names(to_fd)) remove(to_fd, path, name);
  }
  for (const std::string& name : names.hidden) remove(to_fd, path, name);
}

void RootfsComposer::place_file(int from_fd, const std::string& from, int to_fd,
                                const std::string& path, const std::string& name,
                                const struct stat& st) {
  LinkResult result = link_at(from_fd, from, to_fd, name);
  if (result == LinkResult::exists) {
    remove(to_fd, path, name);
    result = link_at(from_fd, from, to_fd, name);
  }
  if (result != LinkResult::linked) {
    // A file with as many names as an inode can have (65,000 on ext4) would be copied for each.
    copied_bytes_ += static_cast<std::uint64_t>(st.st_size);
    if (copied_bytes_ > quota_.unpacked_bytes) {
      refuse_too_large("the image has files with too many names", quota_.unpacked_bytes,
                       "bytes of copies");
    }
    copy_file(from_fd, from, to_fd, name, st);
  }
  if (S_ISREG(st.st_mode)) size_bytes_ += static_cast<std::uint64_t>(st.st_size);
}

// The target is resolved in the new root, as it is after the lower layers.
void RootfsComposer::place_link(int from_fd, int to_fd, const std::string& path,
                                const std::string& name) {
  charge(0);
  const sys::UniqueFd marker = open_file_at(from_fd, std::string(kLinkMarkerPrefix) + name);
  std::vector<std::string> components =
      split_entry_path(read_begin(marker.get(), kPathBytes), quota_);
  const std::string asked = join_path(components);
  const std::string target = components.empty() ? std::string() : components.back();
  if (!target.empty()) components.pop_back();
  const std::string directory = join_path(components);
  const auto from =
      sys::open_in_root(root_.get(), directory.empty() ? "." : directory, O_RDONLY | O_DIRECTORY);
  const auto found = from && !target.empty() ? stat_at(from->get(), target) : std::nullopt;
  if (!found || !(S_ISREG(found->st_mode) || S_ISLNK(found->st_mode))) {
    refuse("bad_link", "'" + printable(join_path(path, name)) + "' is a hard link to '" +
                           printable(asked) + "', which is no file of this or a lower layer");
  }
  if ((asked + "/").starts_with(join_path(path, name) + "/") && asked != join_path(path, name)) {
    refuse("bad_link",
           "'" + printable(join_path(path, name)) + "' is a hard link to what lies in it");
  }
  const auto existing = stat_at(to_fd, name);
  if (existing && existing->st_dev == found->st_dev && existing->st_ino == found->st_ino) return;
  place_file(from->get(), target, to_fd, path, name, *found);
}

void RootfsComposer::place_directory(int from_fd, int to_fd, const std::string& path,
                                     const std::string& name) {
  const auto existing = stat_at(to_fd, name);
  if (existing && S_ISDIR(existing->st_mode)) return;
  const sys::UniqueFd from = open_directory_at(from_fd, name);
  if (existing && S_ISLNK(existing->st_mode) && is_implied(from.get()) &&
      sys::open_in_root(root_.get(), join_path(path, name), O_PATH | O_DIRECTORY)) {
    return;  // /lib of a layer that only adds files is still the base image's link to usr/lib
  }
  if (existing) remove(to_fd, path, name);
  make_directory_at(to_fd, name, S_IRWXU);
  // As the layer has it, implied or not: there is nothing below to keep.
  const sys::UniqueFd to = open_directory_at(to_fd, name);
  const struct stat st = stat_of(from.get());
  set_owner_and_mode(to.get(), metadata_of(st));
  set_mtime(to.get(), st.st_mtim);
}

// Last, because filling a directory changes its time.
void RootfsComposer::finish_directory(int layer_fd, const std::string& path, bool implied,
                                      const struct stat& before) {
  const auto from = open_directory_beneath(layer_fd, path);
  const sys::UniqueFd to = open_target(path);
  if (implied || !from) {
    set_mtime(to.get(), before.st_mtim);
    return;
  }
  const struct stat st = stat_of(from->get());
  set_owner_and_mode(to.get(), metadata_of(st));
  copy_xattrs(from->get(), to.get());
  set_mtime(to.get(), st.st_mtim);
}

void RootfsComposer::remove(int dir_fd, const std::string& path, const std::string& name) {
  const auto existing = stat_at(dir_fd, name);
  if (!existing) return;
  if (S_ISREG(existing->st_mode)) size_bytes_ -= static_cast<std::uint64_t>(existing->st_size);
  if (!S_ISDIR(existing->st_mode)) {
    unlink_at(dir_fd, name);
    return;
  }
  size_bytes_ -= size_of_tree(join_path(path, name));
  remove_tree_at(dir_fd, name);
}

std::uint64_t RootfsComposer::size_of_tree(const std::string& path) const {
  std::uint64_t bytes = 0;
  std::vector<std::string> directories;
  {
    const sys::UniqueFd fd = open_target(path);
    for (std::string& name : list_names(fd.get())) {
      const auto st = stat_at(fd.get(), name);
      if (st && S_ISREG(st->st_mode)) bytes += static_cast<std::uint64_t>(st->st_size);
      if (st && S_ISDIR(st->st_mode)) directories.push_back(std::move(name));
    }
  }
  for (const std::string& name : directories) bytes += size_of_tree(join_path(path, name));
  return bytes;
}

void RootfsComposer::make_mount_points() {
  const timespec mtime = stat_of(root_.get()).st_mtim;
  for (const MountPoint& point : kMountPoints) {
    remove(root_.get(), "", point.name);
    make_directory_at(root_.get(), point.name, S_IRWXU);
    set_owner_and_mode(open_directory_at(root_.get(), point.name).get(), {0, 0, point.mode, {}});
  }
  remove(root_.get(), "", kControlSocket);
  set_owner_and_mode(create_file_at(root_.get(), kControlSocket).get(), {0, 0, 0644, {}});
  set_mtime(root_.get(), mtime);
}

void RootfsComposer::make_working_dir(const std::string& path) {
  for (const MountPoint& point : kMountPoints) {
    const std::string mounted = std::string("/") + point.name;
    if (path == mounted || path.starts_with(mounted + "/")) return;
  }
  std::string made;
  for (std::size_t begin = 1; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    begin = end + 1;
    const std::string next = join_path(made, name);
    if (name.size() > kNameBytes || next.size() > kPathBytes) {
      refuse("bad_working_dir", "the image's WorkingDir '" + printable(path) + "' is too long");
    }
    if (!sys::open_in_root(root_.get(), next, O_PATH | O_DIRECTORY)) {
      const sys::UniqueFd parent = open_target(made);
      if (!make_directory_at(parent.get(), name, S_IRWXU)) {
        refuse("bad_working_dir", "the image's WorkingDir '" + printable(path) +
                                      "' is no directory: '" + printable(next) + "' is in the way");
      }
      set_owner_and_mode(open_directory_at(parent.get(), name).get(), {0, 0, kDirectoryMode, {}});
    }
    made = next;
  }
}

}  // namespace image
