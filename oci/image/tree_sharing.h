// Root filesystems of images with layers in common are the same for the most part. Files share
// their inodes already; directories cannot, and a small function on a large base would be nothing
// but a copy of the base's directories. So a directory that is the same as in another tree, with
// all that is in it, is on the disk once: an empty one stands for it in the later tree, and a graft
// says where the real one is. Whoever shows the tree to a container mounts it there.
// Source: open_tree(2), mount_setattr(2). Throws std::system_error. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "oci/image/image.h"

namespace image {

// Takes out of `tree`, which was composed of layers, the directories that `other` has as well,
// moves them into `trash`, an empty directory of the same file system, and returns the grafts that
// take their place: few, and the largest. Nobody uses `tree` yet, nobody changes the trees of
// `other`.
std::vector<Graft> share_directories(const std::filesystem::path& tree, const Image& other,
                                     const std::filesystem::path& trash);

// Removes what is in `tree` and not in one of the directories `kept`, when only those are used any
// more. Adds to `freed_bytes` as sys::remove_tree does.
void trim_tree(const std::filesystem::path& tree, const std::set<std::string>& kept,
               std::uint64_t* freed_bytes);

}  // namespace image
