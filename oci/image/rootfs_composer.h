// Puts a root filesystem together from unpacked layers, from the lowest up: directories are made,
// files are hard-linked (their inodes are shared with the layer and with other images, which is why
// nothing may ever write to a rootfs), whiteouts act on what the layers below brought.
// Works by directory descriptor; a path in the new root is resolved as a process chrooted into it
// would, a layer's path without following any link. Memory: the names of one directory at a time.
// Source: OCI image-spec, layer.md. Throws sys::Refused, std::system_error. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "oci/image/quota.h"
#include "oci/image/tree.h"
#include "oci/sys/unique_fd.h"

namespace image {

class RootfsComposer {
 public:
  // `root` is an empty directory. At most quota.unpacked_bytes are copied where an inode can take
  // no further name. Layers that were unpacked by an earlier import count against quota.entries and
  // quota.unpacked_bytes like others, and together they may cost kComposeCpu of this thread. A stop
  // that is requested ends it with a refusal.
  RootfsComposer(sys::UniqueFd root, const Quota& quota, const std::stop_token& stop = {});

  void apply_layer(int layer_fd);

  // What the container mounts over: real directories /proc, /sys, /dev, /tmp and the file
  // /control.sock, empty, whatever the image has there. Its content could never be seen anyway, and
  // a link there would be followed by whoever mounts.
  void make_mount_points();
  // The image's WorkingDir, if it is missing. Links on the way are resolved inside the root; a path
  // under a mount point is left alone. `path` is absolute and normalised.
  void make_working_dir(const std::string& path);

  // Of all regular files, by name: a file with two names counts twice.
  std::uint64_t size_bytes() const noexcept { return size_bytes_; }

 private:
  struct Names;

  void charge(std::size_t names);
  void check_depth(int directory_fd) const;
  void apply_directory(int layer_fd, const std::string& path);
  std::vector<std::string> merge_names(int from_fd, int to_fd, const std::string& path);
  void apply_whiteouts(const Names& names, int to_fd, const std::string& path);
  void place_file(int from_fd, const std::string& from, int to_fd, const std::string& path,
                  const std::string& name, const struct stat& st);
  void place_link(int from_fd, int to_fd, const std::string& path, const std::string& name);
  void place_directory(int from_fd, int to_fd, const std::string& path, const std::string& name);
  void finish_directory(int layer_fd, const std::string& path, bool implied,
                        const struct stat& before);
  void remove(int dir_fd, const std::string& path, const std::string& name);
  std::uint64_t size_of_tree(const std::string& path) const;
  sys::UniqueFd open_target(const std::string& path) const;

  sys::UniqueFd root_;
  const Quota& quota_;
  const std::stop_token stop_;
  const std::chrono::nanoseconds cpu_before_;
  std::uint64_t names_ = 0;
  std::uint64_t size_bytes_ = 0;
  std::uint64_t copied_bytes_ = 0;
};

}  // namespace image
