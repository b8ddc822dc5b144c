#include "oci/runtime/native/launcher/slot.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include "oci/runtime/container_places.h"
#include "oci/runtime/native/launcher/slot_mounts.h"
#include "oci/runtime/native/launcher/stage.h"
#include "oci/sys/confine.h"
#include "oci/sys/error.h"
#include "oci/sys/fd_message.h"
#include "oci/sys/file.h"
#include "oci/sys/subprocess.h"

namespace runtime::native {
namespace {

constexpr mode_t kUsualUmask = 0022;

void report(int socket, Report what, std::string_view text = "", int fd = -1) {
  const std::string message = static_cast<char>(what) + std::string(text);
  sys::send_fd_message(socket, message.substr(0, kMaxReport),
                       {&fd, fd < 0 ? std::size_t{0} : std::size_t{1}});
}

void stand_in_cgroups(std::vector<sys::UniqueFd>& cgroups) {
  for (const sys::UniqueFd& tasks : cgroups) sys::write_all(tasks.get(), "0", "tasks");
  cgroups.clear();
  if (::unshare(CLONE_NEWCGROUP) != 0) sys::throw_errno("unshare the cgroup namespace");
}

std::uint32_t root_of(const std::vector<sys::IdRange>& ranges) {
  for (const sys::IdRange& range : ranges) {
    if (range.inside == 0) return range.host;
  }
  return 0;
}

void replace(int fd, const sys::UniqueFd& with) {
  if (::dup2(with.get(), fd) < 0) sys::throw_errno("dup2");
}

// What else the launcher has open is not this process's: its end of the pair with faasd, the host's
// /proc. What takes the place of the first is the container's own standard input.
void keep_only(const SlotParts& parts) {
  replace(STDIN_FILENO, sys::open_file(std::string(kStageDevices) + "/null", O_RDWR));
  std::vector<int> kept = {parts.socket.get(), parts.user_namespace};
  for (const sys::UniqueFd& cgroup : parts.cgroups) kept.push_back(cgroup.get());
  std::sort(kept.begin(), kept.end());
  unsigned first = STDERR_FILENO + 1;
  for (const int fd : kept) {
    const auto next = static_cast<unsigned>(fd);
    if (first < next && ::close_range(first, next - 1, 0) != 0) sys::throw_errno("close_range");
    first = next + 1;
  }
  if (::close_range(first, UINT_MAX, 0) != 0) sys::throw_errno("close_range");
}

// All but what depends on the function.
void prepare(SlotParts& parts) {
  keep_only(parts);
  stand_in_cgroups(parts.cgroups);
  const std::string& id = parts.order.id;
  if (::sethostname(id.data(), id.size()) != 0) sys::throw_errno("sethostname");
  if (::setsid() < 0) sys::throw_errno("setsid");
  ::umask(kUsualUmask);
  mount_parts(root_of(parts.order.ids.users), root_of(parts.order.ids.groups));
}

void limit_resources(const std::vector<ResourceLimit>& limits) {
  for (const ResourceLimit& limit : limits) {
    const rlimit both{limit.value, limit.value};
    if (::setrlimit(static_cast<__rlimit_resource_t>(limit.resource), &both) != 0) {
      sys::throw_errno("setrlimit " + std::to_string(limit.resource));
    }
  }
}

// An image's directory may be a link, but not one of /proc, which leads past roots.
void enter_directory(const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const sys::UniqueFd directory(
      static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  if (!directory || ::fchdir(directory.get()) != 0) sys::throw_errno("chdir " + path);
}

// From here on this process has every right in its own user namespace and none outside of it, and
// then none at all.
void become_user(const LaunchOrder& order, int user_namespace) {
  if (::setns(user_namespace, CLONE_NEWUSER) != 0) sys::throw_errno("enter the users' namespace");
  if (::setgroups(order.groups.size(), order.groups.data()) != 0) sys::throw_errno("setgroups");
  if (::setresgid(order.gid, order.gid, order.gid) != 0) sys::throw_errno("setresgid");
  if (::setresuid(order.uid, order.uid, order.uid) != 0) sys::throw_errno("setresuid");
  enter_directory(order.working_dir);
  sys::keep_capabilities({});
}

int install_filter(std::string_view filter) {
  sock_fprog program{};
  program.len = static_cast<unsigned short>(filter.size() / sizeof(sock_filter));
  program.filter = const_cast<sock_filter*>(reinterpret_cast<const sock_filter*>(filter.data()));
  const long listener =
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (listener < 0) sys::throw_errno("install the filter of system calls");
  return static_cast<int>(listener);
}

std::string path_in(const std::vector<std::string>& env) {
  for (const std::string& entry : env) {
    if (entry.starts_with("PATH=")) return entry.substr(5);
  }
  return "";
}

// As a shell finds it, with the container's PATH. Returns if it cannot be executed.
int execute(const LaunchOrder& order) {
  const std::vector<char*> args = sys::c_strings(order.args);
  const std::vector<char*> env = sys::c_strings(order.env);
  const std::string& name = order.args.at(0);
  if (name.find('/') != std::string::npos) {
    ::execve(name.c_str(), args.data(), env.data());
    return errno;
  }
  int error = ENOENT;
  const std::string path = path_in(order.env);
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string directory = path.substr(at, end - at);
    ::execve((directory.empty() ? name : directory + "/" + name).c_str(), args.data(), env.data());
    if (errno != ENOENT && errno != ENOTDIR) error = errno;
    if (error != ENOENT && error != EACCES) return error;
    at = end + 1;
  }
  return error;
}

LaunchMounts take_mounts(const LaunchOrder& order, std::vector<sys::UniqueFd>& fds) {
  std::size_t next = 2;  // after output and error
  LaunchMounts mounts;
  mounts.root = std::move(fds.at(next++));
  for (std::size_t i = 0; i < order.grafts.size(); ++i) {
    mounts.grafts.push_back(std::move(fds.at(next++)));
  }
  mounts.control_socket = std::move(fds.at(next++));
  if (order.has_executor) mounts.executor = std::move(fds.at(next++));
  return mounts;
}

// Another number for the same, so that kSnapshotFd is free.
sys::UniqueFd above_snapshot(const sys::UniqueFd& fd) {
  sys::UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kSnapshotFd + 1));
  if (!copy) sys::throw_errno("duplicate a descriptor");
  return copy;
}

void become_handler(SlotParts& parts, sys::FdMessage& message) {
  const LaunchOrder order = LaunchOrder::unpack(message.bytes);
  enter_root(order, take_mounts(order, message.fds), parts.user_namespace);
  replace(STDOUT_FILENO, message.fds.at(0));
  replace(STDERR_FILENO, message.fds.at(1));
  const sys::UniqueFd snapshot =
      order.has_snapshot ? std::move(message.fds.back()) : sys::UniqueFd();
  message.fds.clear();
  limit_resources(order.limits);
  become_user(order, parts.user_namespace);
  ::close(parts.user_namespace);
  const int listener = install_filter(parts.filter);
  report(parts.socket.get(), Report::listener, "", listener);
  ::close(listener);
  if (snapshot) replace(kSnapshotFd, above_snapshot(snapshot));
  const int error = execute(order);
  // A dynamic program is there and its loader is not, or a script and what its first line names.
  const char* hint =
      error == ENOENT ? " (or what it needs to be loaded, which the image lacks)" : "";
  sys::throw_errno(error, "execute " + order.args.at(0) + hint);
}

}  // namespace

void run_slot(SlotParts parts) noexcept {
  try {
    parts.socket = above_snapshot(parts.socket);
    prepare(parts);
    report(parts.socket.get(), Report::ready);
    sys::FdMessage message;
    if (sys::receive_fd_message(parts.socket.get(), kMaxMessage, true, message) ==
        sys::Arrival::message) {
      become_handler(parts, message);
    }
  } catch (const std::exception& error) {
    try {
      report(parts.socket.get(), Report::failed, error.what());
    } catch (const std::exception&) {
      // Then it hears that nothing is left of us.
    }
  }
  ::_exit(EXIT_FAILURE);
}

}  // namespace runtime::native
