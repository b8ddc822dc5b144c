#include "oci/runtime/rootfs_view.h"

#include <fcntl.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/mount.h"

namespace runtime {
namespace {

constexpr mode_t kPrivate = 0700;
// Mounting takes less than a millisecond; what is called now and then should not pay it each time.
constexpr std::chrono::minutes kIdle{10};
constexpr std::chrono::minutes kLookEvery{1};

// Grafts lead to directories, and no image can have put a link there since.
sys::UniqueFd open_graft(int root_fd, const image::Graft& graft) {
  std::optional<sys::UniqueFd> fd =
      sys::open_beneath(root_fd, graft.path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) sys::throw_errno(ENOENT, "open the shared directory " + graft.path);
  return std::move(*fd);
}

}  // namespace

RootfsView::Mounted::Mounted(const image::Image& image, std::filesystem::path path)
    : path_(std::move(path)) {
  sys::make_directory(path_, kPrivate);
  try {
    const sys::UniqueFd root = sys::clone_sealed(sys::open_directory(image.rootfs).get());
    sys::attach_mount(root.get(), sys::open_directory(path_).get());
    for (const image::Graft& graft : image.grafts) {
      const sys::UniqueFd tree = sys::open_directory(graft.tree);
      const sys::UniqueFd shared = sys::clone_sealed(open_graft(tree.get(), graft).get());
      sys::attach_mount(shared.get(), open_graft(root.get(), graft).get());
    }
  } catch (...) {
    sys::detach_mount(path_);
    throw;
  }
}

RootfsView::Mounted::~Mounted() {
  sys::detach_mount(path_);
  std::error_code ignored;  // the next start finds it empty
  std::filesystem::remove(path_, ignored);
}

RootfsView::RootfsView(std::shared_ptr<const image::Image> image, std::filesystem::path path)
    : image_(std::move(image)), path_(std::move(path)) {}

std::shared_ptr<const RootfsView::Mounted> RootfsView::use() {
  const std::lock_guard lock(mutex_);
  if (!mounted_) mounted_ = std::make_shared<const Mounted>(*image_, path_);
  used_ = std::chrono::steady_clock::now();
  return mounted_;
}

void RootfsView::drop_if_unused_since(std::chrono::steady_clock::time_point time) {
  const std::lock_guard lock(mutex_);
  // Nobody else can come by a pointer meanwhile: copies are made of ours, under the lock.
  if (mounted_ && used_ < time && mounted_.use_count() == 1) mounted_.reset();
}

RootfsViews::RootfsViews(sys::EventLoop& loop, std::filesystem::path mount_points)
    : loop_(loop), mount_points_(std::move(mount_points)) {
  sys::enter_private_mounts();
  sys::remove_tree(mount_points_);  // empty directories of a daemon that was killed
  sys::make_directory(mount_points_, kPrivate);
  timer_ = loop_.after(kLookEvery, [this] { drop_idle(); });
}

RootfsViews::~RootfsViews() {
  std::error_code ignored;
  std::filesystem::remove(mount_points_, ignored);
}

std::shared_ptr<RootfsView> RootfsViews::make(const std::string& name,
                                              std::shared_ptr<const image::Image> image) {
  const std::lock_guard lock(mutex_);
  const std::filesystem::path path = mount_points_ / (name + "." + std::to_string(next_++));
  auto view = std::make_shared<RootfsView>(std::move(image), path);
  std::erase_if(views_, [](const auto& each) { return each.expired(); });
  views_.push_back(view);
  return view;
}

void RootfsViews::drop_idle() {
  std::vector<std::weak_ptr<RootfsView>> views;
  {
    const std::lock_guard lock(mutex_);
    views = views_;
  }
  const auto time = std::chrono::steady_clock::now() - kIdle;
  for (const auto& each : views) {
    if (const std::shared_ptr<RootfsView> view = each.lock()) view->drop_if_unused_since(time);
  }
  timer_ = loop_.after(kLookEvery, [this] { drop_idle(); });
}

}  // namespace runtime
