#include "oci/sys/user_namespace.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/pidfd.h"
#include "oci/sys/subprocess.h"

namespace sys {
namespace {

// A process in a new user namespace that does nothing, until this object goes. A namespace can only
// be made by a process that enters it, and its maps only be written from without.
class Inhabitant {
 public:
  Inhabitant() {
    int pidfd = -1;
    clone_args args{};
    args.flags = CLONE_NEWUSER | CLONE_PIDFD;
    args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    const auto parent = static_cast<pid_t>(::syscall(SYS_getpid));
    pid_ = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
    if (pid_ == -1) throw_errno("clone3 with a user namespace");
    if (pid_ == 0) stay(parent);
    pidfd_ = UniqueFd(pidfd);
  }
  Inhabitant(const Inhabitant&) = delete;
  Inhabitant& operator=(const Inhabitant&) = delete;
  ~Inhabitant() {
    send_signal(pidfd_.get(), SIGKILL);
    try {
      wait_for_exit(pidfd_.get());
    } catch (const std::exception&) {
      // The stray reaper has been quicker.
    }
  }

  pid_t pid() const noexcept { return pid_; }

 private:
  // A copy of a process of many threads: system calls only. It holds no descriptor of ours, and
  // does not outlive us, even if we were killed before it could say so.
  [[noreturn]] static void stay(pid_t parent) {
    ::syscall(SYS_close_range, 0U, ~0U, 0U);
    ::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    while (::syscall(SYS_getppid) == parent) ::pause();
    ::_exit(1);
  }

  pid_t pid_ = -1;
  UniqueFd pidfd_;
};

UniqueFd open_at(int proc, const std::string& path, int flags) {
  UniqueFd fd(::openat(proc, path.c_str(), flags | O_CLOEXEC));
  if (!fd) throw_errno("open /proc/" + path);
  return fd;
}

void write_map(int proc, const std::string& path, const std::vector<IdRange>& ranges) {
  std::string text;
  for (const IdRange& range : ranges) {
    text += std::to_string(range.inside) + " " + std::to_string(range.host) + " " +
            std::to_string(range.count) + "\n";
  }
  write_all(open_at(proc, path, O_WRONLY).get(), text, "/proc/" + path);
}

}  // namespace

UniqueFd make_user_namespace(const IdMaps& maps, int proc) {
  const Inhabitant inhabitant;
  const std::string process = std::to_string(inhabitant.pid());
  write_map(proc, process + "/uid_map", maps.users);
  write_map(proc, process + "/gid_map", maps.groups);
  return open_at(proc, process + "/ns/user", O_RDONLY);
}

UniqueFd make_user_namespace(const IdMaps& maps) {
  return make_user_namespace(maps, open_directory("/proc").get());
}

}  // namespace sys
