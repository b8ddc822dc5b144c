// Mounts that nobody else sees. Source: mount_namespaces(7), open_tree(2), move_mount(2),
// mount_setattr(2); Linux 5.12. Throws std::system_error that names the call.
#pragma once

#include <cstdint>
#include <filesystem>

#include "oci/sys/unique_fd.h"

namespace sys {

// A mount namespace of this process's own: what the host mounts from now on is seen here, what is
// mounted here is seen by this process and its children only, and is gone with them. For a process
// of one thread; those that it starts later share it.
void enter_private_mounts();

// What is seen at `fd` (O_PATH does), as a mount that is attached nowhere yet, with these
// MOUNT_ATTR_… set (mount_setattr(2)). Any thread.
UniqueFd clone_mount(int fd, std::uint64_t attributes);

// A mount that is attached nowhere shows the users of this namespace from now on, as below.
void map_owners(int mount_fd, int user_namespace);

// What is seen in `directory_fd` (O_PATH does), as a mount that is attached nowhere yet: read-only,
// without devices and without privileges to be gained by exec: set-user-ID bits and file
// capabilities mean nothing there. What is mounted below the directory is not part of it. It is
// gone with the descriptor, unless it was attached. Any thread.
// With a user namespace, a file that belongs to user 5 on the disk belongs there to the one who is
// user 5 in that namespace. Refused(failed, "no_idmapped_mounts") if the file system cannot do so.
UniqueFd clone_sealed(int directory_fd, const UniqueFd& user_namespace = UniqueFd());

// Mounts an empty file system in memory at `directory`, for mount points: anybody may pass through
// it to a name he knows, only root looks around or puts something in.
void mount_directory_of_mounts(const std::filesystem::path& directory);

// Attaches a mount to what `target_fd` is, a directory or, if a file is mounted, a file. The
// descriptor is the mount's root before and after.
void attach_mount(int mount_fd, int target_fd);

// Detaches what is mounted at `path` with all that is mounted below; whoever uses it keeps it.
void detach_mount(const std::filesystem::path& path) noexcept;

}  // namespace sys
