// A thread of another process that waits for us in a system call: who it is, what it has, and how
// to do something in its place. Source: proc_pid_status(5), pidfd_getfd(2), process_vm_readv(2),
// credentials(7).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>
#include <string>
#include <vector>

#include "oci/sys/unique_fd.h"

namespace sys {

// What a path, and a right to it, mean to a thread.
struct Standpoint {
  UniqueFd root;
  UniqueFd working_directory;
  mode_t umask = 0;
  uid_t uid = 0;  // the effective one
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

// Found by a number, so whoever asks makes sure, afterwards, that the thread still waits. Any
// thread. Each call throws std::system_error if it is gone.
class OtherThread {
 public:
  explicit OtherThread(pid_t thread);

  Standpoint standpoint() const;
  // A duplicate of a descriptor of its process. Throws EBADF if it has none of that number.
  UniqueFd descriptor(int fd) const;
  // Throws EFAULT if there is nothing to read.
  void read_memory(std::uint64_t address, std::span<std::byte> into) const;
  UniqueFd network_namespace() const;

 private:
  pid_t thread_;
  pid_t process_ = 0;
  UniqueFd proc_;
  std::string status_;
};

// Whether a socket belongs to that network namespace. SIOCGSKNS of socket(7)'s ioctls. Throws
// std::system_error: ENOTSOCK if it is none.
bool is_of_network_namespace(int socket, int network_namespace);

// Does things in another's place. The thread that makes it has a root, a working directory and a
// umask of its own from then on; only that thread may use it.
class StandIn {
 public:
  StandIn();
  ~StandIn();
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;

  // connect(2), bind(2) and listen(2) from this standpoint and with no other rights: their error,
  // or 0. What would have to wait fails with EINTR soon, whatever the other one does meanwhile.
  int connect(const Standpoint& standpoint, int socket, std::span<const std::byte> address);
  int bind(const Standpoint& standpoint, int socket, std::span<const std::byte> address);
  int listen(const Standpoint& standpoint, int socket, int backlog);

 private:
  template <typename Call>
  int perform(const Standpoint& standpoint, Call call);

  UniqueFd own_root_;
  gid_t own_gid_ = 0;
  std::vector<gid_t> own_groups_;
  mode_t own_umask_ = 0;
  timer_t alarm_{};
};

}  // namespace sys
