#include "oci/runtime/rootfs_view.h"

#include <system_error>
#include <utility>

#include "oci/sys/file.h"

namespace runtime {
namespace {

constexpr mode_t kPrivate = 0700;

std::filesystem::path in_private_namespace(std::filesystem::path images) {
  sys::make_directory(images, kPrivate);
  sys::enter_private_mounts();
  return images;
}

}  // namespace

RootfsView::Made::Made(std::filesystem::path directory) : path(std::move(directory)) {
  sys::make_directory(path, kPrivate);
}

RootfsView::Made::~Made() {
  std::error_code ignored;  // the next start finds it empty
  std::filesystem::remove(path, ignored);
}

RootfsView::RootfsView(std::filesystem::path images, std::filesystem::path mount_point)
    : images_(in_private_namespace(std::move(images))),
      mount_point_(std::move(mount_point)),
      mount_(images_, mount_point_.path) {}

std::filesystem::path RootfsView::path_of(const std::filesystem::path& rootfs) const {
  return mount_point_.path / rootfs.lexically_relative(images_);
}

}  // namespace runtime
