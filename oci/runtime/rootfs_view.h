// Root filesystems of images as containers see them: whole, their grafts in place; read-only,
// nosuid, nodev; in a mount namespace of the daemon's own. nosuid is what makes file capabilities
// harmless *and* their files runnable: without it, a program that has some cannot be executed at
// all by a process that may not have them (capabilities(7), "Safety checking for capability-dumb
// binaries").
// Throws std::system_error.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "oci/image/image.h"
#include "oci/sys/event_loop.h"

namespace runtime {

// One image, seen at a directory of its own. It is mounted when it is first used, and stays so
// until it has not been used for a while: a function that nobody calls has no mount. Any thread.
class RootfsView {
 public:
  // A mounted root filesystem. Whoever starts a container holds it until the container is gone.
  class Mounted {
   public:
    Mounted(const image::Image& image, std::filesystem::path path);
    ~Mounted();
    Mounted(const Mounted&) = delete;
    Mounted& operator=(const Mounted&) = delete;
    const std::filesystem::path& path() const noexcept { return path_; }

   private:
    std::filesystem::path path_;
  };

  RootfsView(std::shared_ptr<const image::Image> image, std::filesystem::path path);

  std::shared_ptr<const Mounted> use();
  void drop_if_unused_since(std::chrono::steady_clock::time_point time);

 private:
  const std::shared_ptr<const image::Image> image_;
  const std::filesystem::path path_;
  std::mutex mutex_;
  std::shared_ptr<const Mounted> mounted_;
  std::chrono::steady_clock::time_point used_;
};

// Makes the views, in a mount namespace that it enters with the whole process, so it is made before
// the first thread. Drops the mounts of those that are idle. Outlives what it makes; owned by main.
// `make` may be called by any thread.
class RootfsViews {
 public:
  // `mount_points` is a directory that this makes and removes.
  RootfsViews(sys::EventLoop& loop, std::filesystem::path mount_points);
  ~RootfsViews();
  RootfsViews(const RootfsViews&) = delete;
  RootfsViews& operator=(const RootfsViews&) = delete;

  // `name` is for people who look at the table of mounts.
  std::shared_ptr<RootfsView> make(const std::string& name,
                                   std::shared_ptr<const image::Image> image);

 private:
  void drop_idle();

  sys::EventLoop& loop_;
  const std::filesystem::path mount_points_;
  sys::EventLoop::Timer timer_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<RootfsView>> views_;
  std::uint64_t next_ = 0;
};

}  // namespace runtime
