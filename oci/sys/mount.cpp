#include "oci/sys/mount.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>

#include "oci/sys/error.h"

namespace sys {

void enter_private_mounts() {
  if (::unshare(CLONE_NEWNS) != 0) throw_errno("unshare the mount namespace");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    throw_errno("keep mounts from spreading");
  }
}

UniqueFd clone_sealed(int directory_fd, const UniqueFd& user_namespace) {
  UniqueFd mount(
      ::open_tree(directory_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
  if (!mount) throw_errno("open_tree");
  mount_attr sealed{};
  sealed.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (user_namespace) {
    sealed.attr_set |= MOUNT_ATTR_IDMAP;
    sealed.userns_fd = static_cast<std::uint64_t>(user_namespace.get());
  }
  if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH, &sealed, sizeof sealed) != 0) {
    if (errno == EINVAL && user_namespace) {
      throw Refused(Refusal::failed, "no_idmapped_mounts",
                    "the file system of the state directory, or this kernel, has no idmapped "
                    "mounts; put --state-dir on ext4, xfs or btrfs, with Linux 5.15 or newer");
    }
    throw_errno("mount_setattr");
  }
  return mount;
}

void mount_directory_of_mounts(const std::filesystem::path& directory) {
  if (::mount("faasd", directory.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "mode=0711,size=4m") != 0) {
    throw_errno("mount a tmpfs on " + directory.string());
  }
}

void attach_mount(int mount_fd, int directory_fd) {
  if (::move_mount(mount_fd, "", directory_fd, "",
                   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    throw_errno("move_mount");
  }
}

void detach_mount(const std::filesystem::path& path) noexcept {
  ::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

}  // namespace sys
