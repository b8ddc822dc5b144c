#include "oci/image/unpack_filter.h"

#include <seccomp.h>

#include <cerrno>
#include <memory>
#include <string>

#include "oci/sys/confine.h"
#include "oci/sys/error.h"

namespace image {
namespace {

// Reading the archive, writing files below the root directory, memory, time, the end.
constexpr const char* kAllowed[] = {
    "brk",          "clock_gettime", "close",
    "dup",          "exit",          "exit_group",
    "fchmod",       "fchown",        "fchownat",
    "fcntl",        "fgetxattr",     "flistxattr",
    "fremovexattr", "fsetxattr",     "fstat",
    "fstatfs",      "ftruncate",     "futex",
    "getdents64",   "getpid",        "getrandom",
    "gettid",       "gettimeofday",  "linkat",
    "lseek",        "madvise",       "mkdirat",
    "mremap",       "munmap",        "newfstatat",
    "openat",       "openat2",       "pread64",
    "pwrite64",     "read",          "readlinkat",
    "readv",        "renameat",      "restart_syscall",
    "rmdir",        "rt_sigaction",  "rt_sigprocmask",
    "rseq",         "rt_sigreturn",  "sched_yield",
    "sigaltstack",  "stat",          "statx",
    "symlinkat",    "unlink",        "unlinkat",
    "utimensat",    "write",         "writev",
    "open",         "lstat",         "set_robust_list",
};

#ifdef __SANITIZE_ADDRESS__
// The sanitizers ask the kernel through a pipe whether memory can be read.
constexpr const char* kAllowedToSanitizers[] = {"pipe", "pipe2", "readlink"};
#endif

// Reached for by exploits, never by us: the attempt itself is the reason to end.
constexpr const char* kDeadly[] = {
    "accept",
    "accept4",
    "add_key",
    "bind",
    "bpf",
    "chroot",
    "connect",
    "delete_module",
    "execve",
    "execveat",
    "finit_module",
    "fork",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "kill",
    "listen",
    "mknod",
    "mknodat",
    "mount",
    "mount_setattr",
    "move_mount",
    "name_to_handle_at",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "personality",
    "pidfd_getfd",
    "pidfd_open",
    "pidfd_send_signal",
    "pivot_root",
    "process_madvise",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "reboot",
    "recvmsg",
    "request_key",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "sendmsg",
    "setns",
    "socket",
    "socketpair",
    "swapoff",
    "swapon",
    "tkill",
    "umount2",
    "unshare",
    "userfaultfd",
    "vfork",
};

struct FreeFilter {
  void operator()(void* filter) const noexcept { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, FreeFilter>;

// libseccomp returns negative errno values.
void check(int result, const char* what) {
  if (result < 0) sys::throw_errno(-result, std::string("seccomp rule for ") + what);
}

void add_rule(scmp_filter_ctx filter, std::uint32_t action, const char* name) {
  const int number = ::seccomp_syscall_resolve_name(name);
  // Negative numbers are calls that this architecture or this libseccomp does not have.
  if (number >= 0) check(::seccomp_rule_add(filter, action, number, 0), name);
}

// Memory may be mapped and protected in any way that cannot be executed.
void allow_plain_memory(scmp_filter_ctx filter) {
  constexpr unsigned int kProtectionArgument = 2;
  constexpr scmp_datum_t kExecutable = 4;  // PROT_EXEC, the kernel's own number in mmap(2)
  const scmp_arg_cmp plain = {kProtectionArgument, SCMP_CMP_MASKED_EQ, kExecutable, 0};
  for (const char* name : {"mmap", "mprotect"}) {
    const int number = ::seccomp_syscall_resolve_name(name);
    check(::seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &plain), name);
  }
}

// Threads, and no other process: these flags are what pthread_create(3) asks for. The flags of
// clone3 lie in memory, where a filter cannot see them; without it the C library takes clone.
void allow_threads(scmp_filter_ctx filter) {
  const scmp_arg_cmp thread = {0, SCMP_CMP_EQ, sys::kThreadFlags, 0};
  const int number = ::seccomp_syscall_resolve_name("clone");
  check(::seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &thread), "clone");
}

}  // namespace

void install_unpack_filter() {
  const Filter filter(::seccomp_init(SCMP_ACT_ERRNO(ENOSYS)));
  if (!filter) sys::throw_errno(ENOMEM, "seccomp_init");
  check(::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS),
        "foreign architectures");
  for (const char* name : kDeadly) add_rule(filter.get(), SCMP_ACT_KILL_PROCESS, name);
  for (const char* name : kAllowed) add_rule(filter.get(), SCMP_ACT_ALLOW, name);
#ifdef __SANITIZE_ADDRESS__
  for (const char* name : kAllowedToSanitizers) add_rule(filter.get(), SCMP_ACT_ALLOW, name);
#endif
  allow_plain_memory(filter.get());
  allow_threads(filter.get());
  check(::seccomp_load(filter.get()), "this process");
}

}  // namespace image
