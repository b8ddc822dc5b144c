// Root filesystems of images as containers see them: whole, their grafts in place; read-only,
// nosuid, nodev; their files owned by who is who in the container; in a mount namespace of the
// daemon's own. nosuid is what makes file capabilities harmless *and* their files runnable: without
// it, a program that has some cannot be executed at all by a process that may not have them
// (capabilities(7), "Safety checking for capability-dumb binaries").
// Throws std::system_error; Refused(failed, "no_idmapped_mounts") where the host has none.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "oci/image/image.h"
#include "oci/sys/event_loop.h"
#include "oci/sys/user_namespace.h"

namespace runtime {

class RootfsViews;

// The directory beneath `root_fd` where a graft belongs, or which it shares. Throws if there is
// none.
sys::UniqueFd open_graft(int root_fd, const image::Graft& graft);

// One image, seen at a directory of its own. It is mounted when it is used, and stays so for a
// while: a function that nobody calls has no mount. Any thread.
class RootfsView {
 public:
  // A mounted root filesystem. Whoever starts a container holds it until the container is gone.
  class Mounted {
   public:
    // Without `ids`, owners are those that the image names, as the host sees them.
    Mounted(const image::Image& image, const std::optional<sys::IdMaps>& ids,
            std::filesystem::path path);
    ~Mounted();
    Mounted(const Mounted&) = delete;
    Mounted& operator=(const Mounted&) = delete;
    const std::filesystem::path& path() const noexcept { return path_; }

   private:
    std::filesystem::path path_;
  };

  RootfsView(RootfsViews& views, std::shared_ptr<const image::Image> image, sys::IdMaps ids,
             std::filesystem::path path);
  ~RootfsView();
  RootfsView(const RootfsView&) = delete;
  RootfsView& operator=(const RootfsView&) = delete;

  std::shared_ptr<const Mounted> use();

 private:
  friend class RootfsViews;

  RootfsViews& views_;
  const std::shared_ptr<const image::Image> image_;
  const sys::IdMaps ids_;
  const std::filesystem::path path_;
  // Guarded by the views' mutex.
  std::shared_ptr<const Mounted> mounted_;
  std::chrono::steady_clock::time_point used_;
};

// Makes the views, in a mount namespace that it enters with the whole process, so it is made before
// the first thread. Every container starts with a copy of that namespace: mounts cost all of them
// time, so those that nobody uses are few, and go after a while. Outlives the views; owned by main.
// `make` and `look_at` may be called by any thread.
//
// A container's root, which is nobody on the host, must be able to walk to its root filesystem, and
// nobody may walk through the run directory. So the views lie in a file system of their own, which
// is mounted, in that namespace only, over a directory that everybody may pass and that nothing
// here needs: /dev/shm.
class RootfsViews {
 public:
  explicit RootfsViews(sys::EventLoop& loop);
  RootfsViews(const RootfsViews&) = delete;
  RootfsViews& operator=(const RootfsViews&) = delete;

  // `name` is for people who look at the table of mounts.
  std::shared_ptr<RootfsView> make(const std::string& name,
                                   std::shared_ptr<const image::Image> image, sys::IdMaps ids);

  // For the daemon's own eyes, and not for long.
  RootfsView::Mounted look_at(const image::Image& image);

  // In that file system, which is in memory: for what nobody but us is to find by a path.
  const std::filesystem::path& own_directory() const noexcept { return own_directory_; }

  // Whether `path` is hidden from this process once it has views.
  static bool hide(const std::filesystem::path& path);

 private:
  friend class RootfsView;

  std::shared_ptr<const RootfsView::Mounted> use(RootfsView& view);
  void forget(RootfsView& view);
  void drop_unused(std::size_t how_many_may_stay, std::chrono::steady_clock::time_point since);
  void look_for_idle();
  std::filesystem::path next_mount_point(const std::string& name);

  sys::EventLoop& loop_;
  std::filesystem::path mount_points_;
  std::filesystem::path own_directory_;
  sys::EventLoop::Timer timer_;
  std::atomic<std::uint64_t> next_ = 0;
  std::mutex mutex_;                // guards what follows, and every mounting and unmounting
  std::list<RootfsView*> mounted_;  // the one used last in front
};

}  // namespace runtime
