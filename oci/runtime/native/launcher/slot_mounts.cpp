#include "oci/runtime/native/launcher/slot_mounts.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string_view>

#include "oci/runtime/container_places.h"
#include "oci/runtime/native/launcher/stage.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/mount.h"

namespace runtime::native {
namespace {

constexpr unsigned long kNoExtras = MS_NOSUID | MS_NODEV | MS_NOEXEC;
constexpr unsigned long kForPrograms = MS_NOSUID | MS_NODEV;
constexpr unsigned long kForDevices = MS_NOSUID | MS_NOEXEC;

std::string part(std::string_view path) {
  return std::string(kStageParts) + std::string(path);
}

void mount(const char* type, const std::string& where, unsigned long flags,
           const std::string& options = "") {
  if (::mount(type, where.c_str(), type, flags, options.c_str()) != 0) {
    sys::throw_errno("mount " + std::string(type) + " at " + where);
  }
}

// A file or directory of the file systems that were just mounted, if this kernel has it.
std::optional<sys::UniqueFd> find(const std::string& path) {
  sys::UniqueFd fd(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd && errno != ENOENT) sys::throw_errno("open " + path);
  if (!fd) return std::nullopt;
  return fd;
}

bool is_directory(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) sys::throw_errno("fstat");
  return S_ISDIR(status.st_mode);
}

void hide() {
  const sys::UniqueFd nothing = sys::open_file(std::string(kStageDevices) + "/null", O_PATH);
  for (const std::string_view path : kMaskedPaths) {
    const std::string where = part(path);
    const std::optional<sys::UniqueFd> target = find(where);
    if (!target) continue;
    if (is_directory(target->get())) {
      mount("tmpfs", where, MS_RDONLY | kNoExtras, "size=0,nr_inodes=1");
    } else {
      sys::attach_mount(sys::clone_mount(nothing.get(), MOUNT_ATTR_RDONLY).get(), target->get());
    }
  }
  for (const std::string_view path : kReadonlyPaths) {
    const std::optional<sys::UniqueFd> target = find(part(path));
    if (!target) continue;
    const sys::UniqueFd same =
        sys::clone_mount(target->get(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                            MOUNT_ATTR_NOEXEC);
    sys::attach_mount(same.get(), target->get());
  }
}

// Files made meanwhile belong to somebody else; the rights to them are lost for that time, too.
class AsOwner {
 public:
  AsOwner(uid_t uid, gid_t gid) {
    ::setfsgid(gid);
    ::setfsuid(uid);
  }
  AsOwner(const AsOwner&) = delete;
  AsOwner& operator=(const AsOwner&) = delete;
  ~AsOwner() {
    ::setfsuid(0);
    ::setfsgid(0);
  }
};

void link_to(const char* target, const std::string& path) {
  if (::symlink(target, path.c_str()) != 0) sys::throw_errno("symlink " + path);
}

void make_names_in_dev(uid_t uid, gid_t gid) {
  const AsOwner owner(uid, gid);
  for (const std::string_view name : kDevices) {
    sys::open_file(part("/dev/") + std::string(name), O_CREAT | O_EXCL | O_WRONLY, S_IRUSR);
  }
  sys::open_file(part(kExecutor), O_CREAT | O_EXCL | O_WRONLY, S_IRUSR);
  for (const char* name : {"/dev/pts", "/dev/shm"}) {
    constexpr mode_t kMode = 0755;
    if (::mkdir(part(name).c_str(), kMode) != 0) sys::throw_errno(std::string("mkdir ") + name);
  }
  link_to("/proc/self/fd", part("/dev/fd"));
  link_to("/proc/self/fd/0", part("/dev/stdin"));
  link_to("/proc/self/fd/1", part("/dev/stdout"));
  link_to("/proc/self/fd/2", part("/dev/stderr"));
  link_to("pts/ptmx", part("/dev/ptmx"));
  if (find(part("/proc/kcore"))) link_to("/proc/kcore", part("/dev/core"));
}

void move(const std::string& from, int target) {
  if (::move_mount(AT_FDCWD, from.c_str(), target, "", MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    sys::throw_errno("move_mount " + from);
  }
}

sys::UniqueFd place_in(int root, std::string_view path, int flags) {
  const std::string relative(path.substr(path.find_first_not_of('/')));
  std::optional<sys::UniqueFd> fd = sys::open_beneath(root, relative, O_PATH | O_NOFOLLOW | flags);
  if (!fd) sys::throw_errno(ENOENT, "find /" + relative + " in the image");
  return std::move(*fd);
}

void bound_tmpfs(const char* where, unsigned long flags, const std::string& options) {
  if (::mount(nullptr, where, nullptr, MS_REMOUNT | flags, options.c_str()) != 0) {
    sys::throw_errno(std::string("remount ") + where);
  }
}

}  // namespace

void mount_parts(std::uint32_t uid, std::uint32_t gid) {
  const std::string owner = "uid=" + std::to_string(uid) + ",gid=" + std::to_string(gid);
  // Its bounds come with the LaunchOrder.
  const std::string small = "mode=1777,size=4096,nr_inodes=2," + owner;
  mount("proc", part("/proc"), kNoExtras);
  mount("sysfs", part("/sys"), MS_RDONLY | kNoExtras);
  hide();
  mount("tmpfs", part("/tmp"), kForPrograms, small);
  mount("tmpfs", part("/dev"), kForDevices | MS_STRICTATIME,
        std::string(kDevOptions) + "," + owner);
  make_names_in_dev(uid, gid);
  for (const std::string_view name : kDevices) {
    const sys::UniqueFd target =
        sys::open_file(part("/dev/") + std::string(name), O_PATH | O_NOFOLLOW);
    move(std::string(kStageDevices) + "/" + std::string(name), target.get());
  }
  mount("devpts", part("/dev/pts"), kForDevices, std::string(kTerminalOptions));
  mount("tmpfs", part("/dev/shm"), kNoExtras, small);
}

void enter_root(const LaunchOrder& order, const LaunchMounts& mounts, int user_namespace) {
  bound_tmpfs(part("/tmp").c_str(), kForPrograms, order.tmpfs_options);
  bound_tmpfs(part("/dev/shm").c_str(), kNoExtras, order.tmpfs_options);
  if (order.has_executor) {
    const sys::UniqueFd target = sys::open_file(part(kExecutor), O_PATH | O_NOFOLLOW);
    sys::attach_mount(mounts.executor.get(), target.get());
  } else if (::unlink(part(kExecutor).c_str()) != 0) {
    sys::throw_errno("unlink " + std::string(kExecutor));
  }
  const int root = mounts.root.get();
  sys::map_owners(root, user_namespace);
  for (const sys::UniqueFd& graft : mounts.grafts) sys::map_owners(graft.get(), user_namespace);
  sys::attach_mount(root, sys::open_directory(kStageRoot).get());
  for (std::size_t i = 0; i < order.grafts.size(); ++i) {
    sys::attach_mount(mounts.grafts.at(i).get(),
                      place_in(root, order.grafts[i], O_DIRECTORY).get());
  }
  sys::attach_mount(mounts.control_socket.get(), place_in(root, kControlSocket, 0).get());
  for (const char* name : {"/proc", "/sys", "/dev", "/tmp"}) {
    move(part(name), place_in(root, name, O_DIRECTORY).get());
  }
  // Below it lie only directories of the stage. To detach them would cost more than all of this,
  // and nothing in the container can lift a mount or leave a root: there is no capability for it.
  if (::fchdir(root) != 0) sys::throw_errno("fchdir to the root");
  if (::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0) sys::throw_errno("move the root");
  if (::chroot(".") != 0) sys::throw_errno("chroot");
  if (::chdir("/") != 0) sys::throw_errno("chdir /");
}

}  // namespace runtime::native
