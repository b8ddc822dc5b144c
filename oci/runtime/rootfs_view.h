// The root filesystems of all images as containers see them: read-only, nosuid, nodev, in a mount
// namespace of the daemon's own. nosuid is what makes file capabilities harmless *and* their files
// runnable: without it, a program that has some cannot be executed at all by a process that may not
// have them (capabilities(7), "Safety checking for capability-dumb binaries").
// Made before the first thread starts; owned by main. Throws std::system_error.
#pragma once

#include <filesystem>

#include "oci/sys/mount.h"

namespace runtime {

class RootfsView {
 public:
  // `images` is the store's directory of images, `mount_point` one that this makes and removes.
  RootfsView(std::filesystem::path images, std::filesystem::path mount_point);

  // Where a root filesystem that lies in `images` is seen.
  std::filesystem::path path_of(const std::filesystem::path& rootfs) const;

 private:
  struct Made {
    explicit Made(std::filesystem::path directory);
    ~Made();
    Made(const Made&) = delete;
    Made& operator=(const Made&) = delete;
    std::filesystem::path path;
  };

  std::filesystem::path images_;
  Made mount_point_;
  sys::SealedMount mount_;
};

}  // namespace runtime
