#include "oci/runtime/native/launcher/stage.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "oci/runtime/container_places.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/mount.h"

namespace runtime::native {
namespace {

void make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), S_IRWXU | S_IXGRP | S_IXOTH) != 0) sys::throw_errno("mkdir " + path);
}

void make_file(const std::string& path) {
  sys::open_file(path, O_CREAT | O_EXCL | O_WRONLY, S_IRUSR | S_IWUSR);
}

}  // namespace

void enter_stage() {
  sys::enter_private_mounts();
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    sys::throw_errno("keep mounts private");
  }
  // The host's devices as mounts of their own, before something lies over them.
  std::vector<sys::UniqueFd> devices;
  for (const std::string_view name : kDevices) {
    const sys::UniqueFd node = sys::open_file("/dev/" + std::string(name), O_PATH | O_NOFOLLOW);
    devices.push_back(sys::clone_mount(node.get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  }
  // Every host has /dev, and whatever is there is of no use from now on.
  if (::mount("faasd", "/dev", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0711,size=1m") !=
      0) {
    sys::throw_errno("mount the stage");
  }
  if (::chdir("/dev") != 0) sys::throw_errno("chdir to the stage");
  if (::syscall(SYS_pivot_root, ".", ".") != 0) sys::throw_errno("pivot_root to the stage");
  if (::umount2(".", MNT_DETACH) != 0) sys::throw_errno("unmount the old root");
  if (::chdir("/") != 0) sys::throw_errno("chdir /");

  make_directory(kStageDevices);
  make_directory(kStageParts);
  make_directory(kStageRoot);
  for (const char* part : {"/dev", "/proc", "/sys", "/tmp"})
    make_directory(kStageParts + std::string(part));
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const std::string path = std::string(kStageDevices) + "/" + std::string(kDevices[i]);
    make_file(path);
    sys::attach_mount(devices[i].get(), sys::open_file(path, O_PATH | O_NOFOLLOW).get());
  }
}

}  // namespace runtime::native
