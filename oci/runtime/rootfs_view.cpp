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

// See the header. A host that has none (a chroot, perhaps) gets one.
constexpr const char* kDirectory = "/dev/shm";
constexpr mode_t kDirectoryMode = 01777;
// Of a mount point, before anything is mounted.
constexpr mode_t kPrivate = 0700;
using Clock = std::chrono::steady_clock;
// Mounting takes less than a millisecond; what is called now and then should not pay it each time.
// Each costs every launch some 70 microseconds.
constexpr std::chrono::minutes kIdle{10};
constexpr std::size_t kIdleViews = 4;
constexpr std::chrono::minutes kLookEvery{1};

}  // namespace

sys::UniqueFd open_graft(int root_fd, const image::Graft& graft) {
  std::optional<sys::UniqueFd> fd =
      sys::open_beneath(root_fd, graft.path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) sys::throw_errno(ENOENT, "open the shared directory " + graft.path);
  return std::move(*fd);
}

RootfsView::Mounted::Mounted(const image::Image& image, const std::optional<sys::IdMaps>& ids,
                             std::filesystem::path path)
    : path_(std::move(path)) {
  sys::make_directory(path_, kPrivate);
  try {
    const sys::UniqueFd owners = ids ? sys::make_user_namespace(*ids) : sys::UniqueFd();
    const sys::UniqueFd root = sys::clone_sealed(sys::open_directory(image.rootfs).get(), owners);
    sys::attach_mount(root.get(), sys::open_directory(path_).get());
    for (const image::Graft& graft : image.grafts) {
      const sys::UniqueFd tree = sys::open_directory(graft.tree);
      const sys::UniqueFd shared = sys::clone_sealed(open_graft(tree.get(), graft).get(), owners);
      sys::attach_mount(shared.get(), open_graft(root.get(), graft).get());
    }
  } catch (...) {
    sys::detach_mount(path_);
    throw;
  }
}

RootfsView::Mounted::~Mounted() {
  sys::detach_mount(path_);
  std::error_code ignored;  // it is in memory, and empty
  std::filesystem::remove(path_, ignored);
}

RootfsView::RootfsView(RootfsViews& views, std::shared_ptr<const image::Image> image,
                       sys::IdMaps ids, std::filesystem::path path)
    : views_(views), image_(std::move(image)), ids_(std::move(ids)), path_(std::move(path)) {}

RootfsView::~RootfsView() {
  views_.forget(*this);
}

std::shared_ptr<const RootfsView::Mounted> RootfsView::use() {
  return views_.use(*this);
}

RootfsViews::RootfsViews(sys::EventLoop& loop) : loop_(loop) {
  sys::enter_private_mounts();
  sys::make_directory(kDirectory, kDirectoryMode);
  // Runtimes take no root whose path has a link in it.
  mount_points_ = std::filesystem::canonical(kDirectory);
  sys::mount_directory_of_mounts(mount_points_);
  own_directory_ = mount_points_ / "own";
  sys::make_directory(own_directory_, kPrivate);
  timer_ = loop_.after(kLookEvery, [this] { look_for_idle(); });
}

bool RootfsViews::hide(const std::filesystem::path& path) {
  const std::filesystem::path directory = std::filesystem::weakly_canonical(kDirectory);
  const std::filesystem::path inside = std::filesystem::weakly_canonical(path);
  return std::mismatch(directory.begin(), directory.end(), inside.begin(), inside.end()).first ==
         directory.end();
}

std::filesystem::path RootfsViews::next_mount_point(const std::string& name) {
  return mount_points_ / (name + "." + std::to_string(next_++));
}

std::shared_ptr<RootfsView> RootfsViews::make(const std::string& name,
                                              std::shared_ptr<const image::Image> image,
                                              sys::IdMaps ids) {
  return std::make_shared<RootfsView>(*this, std::move(image), std::move(ids),
                                      next_mount_point(name));
}

RootfsView::Mounted RootfsViews::look_at(const image::Image& image) {
  return {image, std::nullopt, next_mount_point("look")};
}

std::shared_ptr<const RootfsView::Mounted> RootfsViews::use(RootfsView& view) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const RootfsView::Mounted> mounted = view.mounted_;
  if (mounted) {
    mounted_.remove(&view);
  } else {
    mounted = std::make_shared<const RootfsView::Mounted>(*view.image_, view.ids_, view.path_);
  }
  mounted_.push_front(&view);
  view.mounted_ = mounted;
  view.used_ = Clock::now();
  drop_unused(kIdleViews, view.used_ - kIdle);
  return mounted;
}

void RootfsViews::forget(RootfsView& view) {
  const std::lock_guard lock(mutex_);
  if (view.mounted_) mounted_.remove(&view);
  view.mounted_.reset();
}

// Of those that nobody uses, the ones used last stay, and they not if they were used before
// `since`.
void RootfsViews::drop_unused(std::size_t how_many_may_stay, Clock::time_point since) {
  std::size_t unused = 0;
  for (auto it = mounted_.begin(); it != mounted_.end();) {
    RootfsView& view = **it;
    // Nobody else can come by a pointer meanwhile: copies are made of ours, under the lock.
    const bool is_unused = view.mounted_.use_count() == 1;
    if (is_unused && (++unused > how_many_may_stay || view.used_ < since)) {
      view.mounted_.reset();
      it = mounted_.erase(it);
    } else {
      ++it;
    }
  }
}

void RootfsViews::look_for_idle() {
  {
    const std::lock_guard lock(mutex_);
    drop_unused(kIdleViews, Clock::now() - kIdle);
  }
  timer_ = loop_.after(kLookEvery, [this] { look_for_idle(); });
}

}  // namespace runtime
