// Views are mounts, so every case runs on a thread with a mount namespace of its own.
#include "oci/runtime/rootfs_view.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <thread>

#include "oci/runtime/host_ids.h"
#include "oci/sys/file.h"
#include "tests/support/scratch.h"

namespace {

constexpr mode_t kOwnerOnly = 0600;
constexpr uid_t kOwner = 5;
constexpr uid_t kBeyond = 100'000;

void in_own_mounts(const std::function<void(runtime::RootfsViews&)>& body) {
  std::thread([&] {
    if (::geteuid() != 0) {
      MESSAGE("SKIP: mounts need root");
      return;
    }
    sys::EventLoop loop;
    runtime::RootfsViews views(loop);
    body(views);
  }).join();
}

void make_file(const std::filesystem::path& path, uid_t owner) {
  const sys::UniqueFd fd = sys::open_file(path, O_WRONLY | O_CREAT | O_EXCL, kOwnerOnly);
  sys::change_owner(fd.get(), owner, owner);
}

// A tree with a file of a user that has an id in containers, and one of a user that has none.
std::shared_ptr<const image::Image> example(const std::filesystem::path& rootfs) {
  std::filesystem::create_directory(rootfs);
  make_file(rootfs / "mine", kOwner);
  make_file(rootfs / "far", kBeyond);
  auto image = std::make_shared<image::Image>();
  image->rootfs = rootfs;
  return image;
}

uid_t owner_of(const std::filesystem::path& path) {
  struct stat st {};
  REQUIRE(::stat(path.c_str(), &st) == 0);
  return st.st_uid;
}

}  // namespace

TEST_CASE("in a function's view, files belong to the host's ids of that function") {
  const support::Scratch scratch;
  const auto image = example(scratch.path() / "rootfs");
  in_own_mounts([&](runtime::RootfsViews& views) {
    const runtime::HostIds ids = runtime::host_ids(2);
    const auto view = views.make("greeter", image, runtime::map_ids(ids, {}));
    const auto mounted = view->use();
    CHECK(owner_of(mounted->path() / "mine") == ids.first + kOwner);
    const uid_t nobody = 65'534;
    CHECK(owner_of(mounted->path() / "far") == nobody);
    CHECK(owner_of(image->rootfs / "mine") == kOwner);
  });
}

TEST_CASE("a view is read-only, without devices and set-user-ID, and gone when nobody holds it") {
  const support::Scratch scratch;
  const auto image = example(scratch.path() / "rootfs");
  in_own_mounts([&](runtime::RootfsViews& views) {
    std::filesystem::path path;
    {
      const runtime::RootfsView::Mounted mounted = views.look_at(*image);
      path = mounted.path();
      CHECK(owner_of(path / "mine") == kOwner);
      struct statvfs st {};
      REQUIRE(::statvfs(path.c_str(), &st) == 0);
      constexpr unsigned long kSealed = ST_RDONLY | ST_NOSUID | ST_NODEV;
      CHECK((st.f_flag & kSealed) == kSealed);
    }
    CHECK_FALSE(std::filesystem::exists(path));
  });
}

TEST_CASE("a directory below the views' own is known to be hidden") {
  CHECK(runtime::RootfsViews::hide("/dev/shm"));
  CHECK(runtime::RootfsViews::hide("/dev/shm/run/faasd"));
  CHECK(runtime::RootfsViews::hide("/dev/../dev/shm/x"));
  CHECK_FALSE(runtime::RootfsViews::hide("/dev/shmem"));
  CHECK_FALSE(runtime::RootfsViews::hide("/run/faasd"));
}
