#include "oci/sys/mount.h"

#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <utility>

#include "oci/sys/error.h"

namespace sys {

void enter_private_mounts() {
  if (::unshare(CLONE_NEWNS) != 0) throw_errno("unshare the mount namespace");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    throw_errno("keep mounts from spreading");
  }
}

SealedMount::SealedMount(const std::filesystem::path& from, std::filesystem::path to)
    : to_(std::move(to)) {
  if (::mount(from.c_str(), to_.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    throw_errno("bind mount " + from.string() + " at " + to_.string());
  }
  constexpr unsigned long kSealed = MS_RDONLY | MS_NOSUID | MS_NODEV;
  if (::mount(nullptr, to_.c_str(), nullptr, MS_REMOUNT | MS_BIND | kSealed, nullptr) != 0) {
    const int error = errno;
    ::umount2(to_.c_str(), MNT_DETACH);
    throw_errno(error, "remount " + to_.string() + " read-only");
  }
}

SealedMount::~SealedMount() {
  ::umount2(to_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

}  // namespace sys
