#include "oci/sys/confine.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <string>

#include "oci/sys/error.h"

static_assert(static_cast<int>(sys::Capability::chown) == CAP_CHOWN);
static_assert(static_cast<int>(sys::Capability::dac_override) == CAP_DAC_OVERRIDE);
static_assert(static_cast<int>(sys::Capability::fowner) == CAP_FOWNER);
static_assert(static_cast<int>(sys::Capability::fsetid) == CAP_FSETID);
static_assert(static_cast<int>(sys::Capability::setgid) == CAP_SETGID);
static_assert(static_cast<int>(sys::Capability::setuid) == CAP_SETUID);
static_assert(static_cast<int>(sys::Capability::setpcap) == CAP_SETPCAP);
static_assert(static_cast<int>(sys::Capability::net_admin) == CAP_NET_ADMIN);
static_assert(static_cast<int>(sys::Capability::sys_chroot) == CAP_SYS_CHROOT);
static_assert(static_cast<int>(sys::Capability::sys_admin) == CAP_SYS_ADMIN);
static_assert(static_cast<int>(sys::Capability::setfcap) == CAP_SETFCAP);

// A sanitizer's shadow memory is private and writable, and far beyond any sensible bound.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FAASD_SANITIZED 1
#else
#define FAASD_SANITIZED 0
#endif

namespace sys {
namespace {

void lower_limit(int resource, std::uint64_t value, const char* name) {
  rlimit limit{};
  const auto kind = static_cast<__rlimit_resource_t>(resource);
  if (::getrlimit(kind, &limit) != 0) throw_errno(std::string("getrlimit ") + name);
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, value);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_cur, limit.rlim_max);
  if (::setrlimit(kind, &limit) != 0) throw_errno(std::string("setrlimit ") + name);
}

}  // namespace

const unsigned long kThreadFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                   CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                                   CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

void enter_private_root(const std::filesystem::path& directory) {
  if (::unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) != 0) {
    throw_errno("unshare namespaces");
  }
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    throw_errno("make mounts private");
  }
  const char* const root = directory.c_str();
  if (::mount(root, root, nullptr, MS_BIND, nullptr) != 0) {
    throw_errno("bind mount " + directory.string());
  }
  constexpr unsigned long kHarmless = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (::mount(nullptr, root, nullptr, MS_REMOUNT | MS_BIND | kHarmless, nullptr) != 0) {
    throw_errno("remount " + directory.string());
  }
  if (::chdir(root) != 0) throw_errno("chdir " + directory.string());
  // Both arguments the same directory: the old root is stacked on the new one, and the first umount
  // takes it away (pivot_root(2), NOTES).
  if (::syscall(SYS_pivot_root, ".", ".") != 0) throw_errno("pivot_root " + directory.string());
  if (::umount2(".", MNT_DETACH) != 0) throw_errno("unmount the old root");
  if (::chdir("/") != 0) throw_errno("chdir /");
}

void close_inherited_descriptors() {
  if (::close_range(STDERR_FILENO + 1, UINT_MAX, 0) != 0) throw_errno("close_range");
}

void bound_resources(const ResourceBounds& bounds) {
  // The signal would end the process before it can say why.
  if (std::signal(SIGXFSZ, SIG_IGN) == SIG_ERR) throw_errno("ignore SIGXFSZ");
  lower_limit(RLIMIT_FSIZE, bounds.file_bytes, "RLIMIT_FSIZE");
  lower_limit(RLIMIT_CPU, bounds.cpu_seconds, "RLIMIT_CPU");
  lower_limit(RLIMIT_NOFILE, bounds.descriptors, "RLIMIT_NOFILE");
  lower_limit(RLIMIT_CORE, 0, "RLIMIT_CORE");
  lower_limit(RLIMIT_MEMLOCK, 0, "RLIMIT_MEMLOCK");
  if (FAASD_SANITIZED == 0) lower_limit(RLIMIT_DATA, bounds.memory_bytes, "RLIMIT_DATA");
}

void keep_capabilities(std::initializer_list<Capability> kept) {
  const auto is_kept = [&](int number) {
    return std::find(kept.begin(), kept.end(), Capability{number}) != kept.end();
  };
  for (int number = 0;; ++number) {
    if (is_kept(number) || ::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0) continue;
    if (errno == EINVAL) break;  // this kernel has no more
    throw_errno("PR_CAPBSET_DROP");
  }
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    throw_errno("PR_CAP_AMBIENT_CLEAR_ALL");
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  for (const Capability capability : kept) {
    const auto number = static_cast<unsigned int>(capability);
    auto& word = data[CAP_TO_INDEX(number)];
    word.effective |= CAP_TO_MASK(number);
    word.permitted = word.effective;
  }
  if (::syscall(SYS_capset, &header, data) != 0) throw_errno("capset");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw_errno("PR_SET_NO_NEW_PRIVS");
}

}  // namespace sys
