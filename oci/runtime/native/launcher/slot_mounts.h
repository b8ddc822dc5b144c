// What a container has mounted that is not its image's. Single thread; throws std::system_error.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oci/runtime/native/orders.h"
#include "oci/sys/unique_fd.h"

namespace runtime::native {

// /proc, /sys, /dev and /tmp at kStageParts, of the namespaces this process is in, with what has to
// be hidden in them; they belong to this user and group of the host.
void mount_parts(std::uint32_t uid, std::uint32_t gid);

// Mounts that come with a LaunchOrder.
struct LaunchMounts {
  sys::UniqueFd root;
  std::vector<sys::UniqueFd> grafts;
  sys::UniqueFd control_socket;
  sys::UniqueFd executor;
};

// Puts root and parts together, as this process's root. Nothing of what an image says is followed:
// each place is opened beneath its root, without a link on the way.
// Files of the image belong to who is who in this user namespace.
void enter_root(const LaunchOrder& order, const LaunchMounts& mounts, int user_namespace);

}  // namespace runtime::native
