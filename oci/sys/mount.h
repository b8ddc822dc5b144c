// Mounts that nobody else sees. Source: mount_namespaces(7), mount(2). Throws std::system_error
// that names the call and the place.
#pragma once

#include <filesystem>

namespace sys {

// A mount namespace of this process's own: what the host mounts from now on is seen here, what is
// mounted here is seen by this process and its children only, and is gone with them. For a process
// of one thread; those that it starts later share it.
void enter_private_mounts();

// `from`, seen at `to` (an existing directory) read-only, without devices and without privileges to
// be gained by exec: set-user-ID bits and file capabilities mean nothing there. Until it is
// destroyed.
class SealedMount {
 public:
  SealedMount(const std::filesystem::path& from, std::filesystem::path to);
  ~SealedMount();
  SealedMount(const SealedMount&) = delete;
  SealedMount& operator=(const SealedMount&) = delete;

 private:
  std::filesystem::path to_;
};

}  // namespace sys
