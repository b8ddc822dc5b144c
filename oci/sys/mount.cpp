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

UniqueFd clone_mount(int fd, std::uint64_t attributes) {
  UniqueFd mount(::open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
  if (!mount) throw_errno("open_tree");
  mount_attr change{};
  change.attr_set = attributes;
  if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH, &change, sizeof change) != 0) {
    throw_errno("mount_setattr");
  }
  return mount;
}

void map_owners(int mount_fd, int user_namespace) {
  mount_attr change{};
  change.attr_set = MOUNT_ATTR_IDMAP;
  change.userns_fd = static_cast<std::uint64_t>(user_namespace);
  if (::mount_setattr(mount_fd, "", AT_EMPTY_PATH, &change, sizeof change) == 0) return;
  if (errno != EINVAL) throw_errno("mount_setattr");
  throw Refused(Refusal::failed, "no_idmapped_mounts",
                "the file system of the state directory, or this kernel, has no idmapped "
                "mounts; put --state-dir on ext4, xfs or btrfs, with Linux 5.15 or newer");
}

UniqueFd clone_sealed(int directory_fd, const UniqueFd& user_namespace) {
  UniqueFd mount =
      clone_mount(directory_fd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  if (user_namespace) map_owners(mount.get(), user_namespace.get());
  return mount;
}

void mount_directory_of_mounts(const std::filesystem::path& directory) {
  if (::mount("faasd", directory.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "mode=0711,size=4m") != 0) {
    throw_errno("mount a tmpfs on " + directory.string());
  }
}

void attach_mount(int mount_fd, int target_fd) {
  if (::move_mount(mount_fd, "", target_fd, "",
                   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    throw_errno("move_mount");
  }
}

void detach_mount(const std::filesystem::path& path) noexcept {
  ::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

}  // namespace sys
