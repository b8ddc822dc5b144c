#define _GNU_SOURCE
#include "probe_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "json_text.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

struct call {
  const char* name;
  long number;
  uintptr_t arguments[6];
};

#define POINTER(thing) ((uintptr_t)(thing))

static long make(const struct call* call) {
  const uintptr_t* a = call->arguments;
  return syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* What became of `run(argument)` in a child; an errno fits into an exit status. */
static const char* attempt(long (*run)(const struct call*), const struct call* call) {
  const pid_t child = fork();
  if (child < 0) {
    return strerrorname_np(errno);
  }
  if (child == 0) {
    _exit(run(call) < 0 ? errno : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) {
    return "killed";
  }
  return WEXITSTATUS(status) == 0 ? "ok" : strerrorname_np(WEXITSTATUS(status));
}

static void write_table(FILE* out, const char* key, const struct call* calls, size_t count) {
  write_key(out, key);
  putc('{', out);
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) {
      putc(',', out);
    }
    write_key(out, calls[i].name);
    write_string(out, attempt(make, &calls[i]));
  }
  fputs("},", out);
}

static void write_namespace_calls(FILE* out) {
  const int own = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
  struct clone_args user = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  struct clone_args plain = {.exit_signal = SIGCHLD};
  const struct call calls[] = {
      {"unshare user", SYS_unshare, {CLONE_NEWUSER}},
      {"unshare mount", SYS_unshare, {CLONE_NEWNS}},
      {"unshare network", SYS_unshare, {CLONE_NEWNET}},
      {"unshare time", SYS_unshare, {CLONE_NEWTIME}},
      {"setns", SYS_setns, {(uintptr_t)own, 0}},
      {"clone user", SYS_clone, {CLONE_NEWUSER | SIGCHLD}},
      {"clone pid", SYS_clone, {CLONE_NEWPID | SIGCHLD}},
      {"clone cgroup", SYS_clone, {CLONE_NEWCGROUP | SIGCHLD}},
      {"clone3 user", SYS_clone3, {POINTER(&user), sizeof user}},
      {"clone3", SYS_clone3, {POINTER(&plain), sizeof plain}},
      {"clone", SYS_clone, {SIGCHLD}},
  };
  write_table(out, "namespace_calls", calls, COUNT(calls));
  close(own);
}

static void write_mount_calls(FILE* out) {
  struct mount_attr writable = {.attr_clr = MOUNT_ATTR_RDONLY};
  const uintptr_t here = (uintptr_t)AT_FDCWD;
  const struct call calls[] = {
      {"mount tmpfs", SYS_mount, {POINTER("a"), POINTER("/tmp"), POINTER("tmpfs"), 0}},
      {"mount bind", SYS_mount, {POINTER("/"), POINTER("/tmp"), 0, MS_BIND}},
      {"remount writable", SYS_mount, {0, POINTER("/"), 0, MS_REMOUNT | MS_BIND}},
      {"umount", SYS_umount2, {POINTER("/proc/sys"), MNT_DETACH}},
      {"pivot_root", SYS_pivot_root, {POINTER("/tmp"), POINTER("/tmp")}},
      {"chroot", SYS_chroot, {POINTER("/tmp")}},
      {"fsopen", SYS_fsopen, {POINTER("tmpfs"), 0}},
      {"fspick", SYS_fspick, {here, POINTER("/tmp"), 0}},
      {"open_tree", SYS_open_tree, {here, POINTER("/"), OPEN_TREE_CLONE}},
      {"move_mount", SYS_move_mount, {here, POINTER("/tmp"), here, POINTER("/dev"), 0}},
      {"mount_setattr",
       SYS_mount_setattr,
       {here, POINTER("/"), 0, POINTER(&writable), sizeof writable}},
      {"name_to_handle_at", SYS_name_to_handle_at, {here, POINTER("/"), 0, 0, 0}},
      {"open_by_handle_at", SYS_open_by_handle_at, {here, 0, O_RDONLY}},
      {"mknod memory", SYS_mknodat, {here, POINTER("/tmp/m"), S_IFCHR | 0600, makedev(1, 1)}},
      {"mknod disk", SYS_mknodat, {here, POINTER("/tmp/d"), S_IFBLK | 0600, makedev(8, 0)}},
      {"mknod whiteout", SYS_mknodat, {here, POINTER("/tmp/w"), S_IFCHR | 0600, 0}},
      {"mknod fifo", SYS_mknodat, {here, POINTER("/tmp/f"), S_IFIFO | 0600, 0}},
      {"swapon", SYS_swapon, {POINTER("/tmp/f"), 0}},
      {"quotactl", SYS_quotactl, {0, POINTER("/"), 0, 0}},
      {"fanotify_init", SYS_fanotify_init, {0, O_RDONLY}},
      {"inotify_init1", SYS_inotify_init1, {IN_CLOEXEC}},
  };
  write_table(out, "mount_calls", calls, COUNT(calls));
}

static void write_process_calls(FILE* out) {
  const uintptr_t other = (uintptr_t)getpid(); /* of the child that tries, its parent */
  static char byte;
  struct iovec local = {.iov_base = &byte, .iov_len = 1};
  const struct call calls[] = {
      {"ptrace attach", SYS_ptrace, {PTRACE_ATTACH, other}},
      {"ptrace seize", SYS_ptrace, {PTRACE_SEIZE, other}},
      {"ptrace traceme", SYS_ptrace, {PTRACE_TRACEME}},
      {"process_vm_readv", SYS_process_vm_readv, {other, POINTER(&local), 1, POINTER(&local), 1}},
      {"process_vm_writev", SYS_process_vm_writev, {other, POINTER(&local), 1, POINTER(&local), 1}},
      {"process_madvise", SYS_process_madvise, {0, POINTER(&local), 1, 0, 0}},
      {"pidfd_getfd", SYS_pidfd_getfd, {0, 0, 0}},
      {"kcmp", SYS_kcmp, {other, other, 0, 0, 0}},
      {"core scheduling", SYS_prctl, {PR_SCHED_CORE, 1, 0, 0, 0}},
      {"no randomness", SYS_personality, {ADDR_NO_RANDOMIZE}},
      {"seccomp filter", SYS_seccomp, {SECCOMP_SET_MODE_FILTER, 0, 0}},
      {"seccomp filter by prctl", SYS_prctl, {PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0}},
      {"seccomp listener",
       SYS_seccomp,
       {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0}},
  };
  write_table(out, "process_calls", calls, COUNT(calls));
}

static void write_kernel_calls(FILE* out) {
  union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4};
  struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event};
  struct io_uring_params ring = {0};
  struct timespec never = {.tv_nsec = -1}; /* invalid: no clock is set, should one be allowed to */
  static char text[64];
  static uintptr_t context;
  const uintptr_t none = (uintptr_t)-1;
  const struct call calls[] = {
      {"bpf", SYS_bpf, {BPF_MAP_CREATE, POINTER(&map), sizeof map}},
      {"perf_event_open", SYS_perf_event_open, {POINTER(&event), 0, none, none, 0}},
      {"userfaultfd", SYS_userfaultfd, {1 /* UFFD_USER_MODE_ONLY */}},
      {"io_uring_setup", SYS_io_uring_setup, {1, POINTER(&ring)}},
      {"io_setup", SYS_io_setup, {1, POINTER(&context)}},
      {"add_key",
       SYS_add_key,
       {POINTER("user"), POINTER("a"), POINTER("a"), 1, (uintptr_t)KEY_SPEC_PROCESS_KEYRING}},
      {"request_key", SYS_request_key, {POINTER("user"), POINTER("a"), 0, 0}},
      {"keyctl", SYS_keyctl, {KEYCTL_GET_KEYRING_ID, (uintptr_t)KEY_SPEC_SESSION_KEYRING, 0}},
      {"init_module", SYS_init_module, {0, 0, POINTER("")}},
      {"finit_module", SYS_finit_module, {0, POINTER(""), 0}},
      {"delete_module", SYS_delete_module, {POINTER("none"), 0}},
      {"kexec_load", SYS_kexec_load, {0, 0, 0, 0}},
      {"reboot",
       SYS_reboot,
       {LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, 0}},
      {"syslog", SYS_syslog, {3, POINTER(text), sizeof text}},
      {"acct", SYS_acct, {POINTER("/tmp/acct")}},
      {"sethostname", SYS_sethostname, {POINTER("other"), 5}},
      {"clock_settime", SYS_clock_settime, {CLOCK_REALTIME, POINTER(&never)}},
      {"sync", SYS_sync, {0}},
      {"lease", SYS_fcntl, {STDIN_FILENO, F_SETLEASE, F_RDLCK}},
  };
  write_table(out, "kernel_calls", calls, COUNT(calls));
}

/* Typing into a terminal: on a pseudoterminal of our own, and on what a shell would have open. */
static void write_terminal_calls(FILE* out) {
  const uintptr_t terminal = (uintptr_t)open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  const struct call calls[] = {
      {"TIOCSTI on a terminal", SYS_ioctl, {terminal, TIOCSTI, POINTER("x")}},
      {"TIOCSTI on stdin", SYS_ioctl, {STDIN_FILENO, TIOCSTI, POINTER("x")}},
      {"TIOCSTI with high bits", SYS_ioctl, {terminal, TIOCSTI | 1UL << 32, POINTER("x")}},
      {"TIOCLINUX", SYS_ioctl, {terminal, TIOCLINUX, POINTER("\x02")}},
      {"TIOCSETD", SYS_ioctl, {terminal, TIOCSETD, POINTER("\0\0\0\0")}},
      {"open /dev/tty", SYS_openat, {(uintptr_t)AT_FDCWD, POINTER("/dev/tty"), O_RDWR}},
  };
  write_table(out, "terminal_calls", calls, COUNT(calls));
  close((int)terminal);
}

static void write_sockets(FILE* out) {
  static const struct call calls[] = {
      {"unix", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}},
      {"tcp", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
      {"tcp6", SYS_socket, {AF_INET6, SOCK_STREAM, IPPROTO_TCP}},
      {"udp", SYS_socket, {AF_INET, SOCK_DGRAM, IPPROTO_UDP}},
      {"routing", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE}},
      {"netfilter", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER}},
      {"audit", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_AUDIT}},
      {"socket diagnosis", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG}},
      {"raw", SYS_socket, {AF_INET, SOCK_RAW, IPPROTO_ICMP}},
      {"ping", SYS_socket, {AF_INET, SOCK_DGRAM, IPPROTO_ICMP}},
      {"sctp", SYS_socket, {AF_INET, SOCK_STREAM, IPPROTO_SCTP}},
      {"mptcp", SYS_socket, {AF_INET, SOCK_STREAM, 262}},
      {"packet", SYS_socket, {AF_PACKET, SOCK_RAW, 0}},
      {"alg", SYS_socket, {AF_ALG, SOCK_SEQPACKET, 0}},
      {"vsock", SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}},
      {"xdp", SYS_socket, {AF_XDP, SOCK_RAW, 0}},
      {"bluetooth", SYS_socket, {AF_BLUETOOTH, SOCK_RAW, 0}},
      {"tipc", SYS_socket, {AF_TIPC, SOCK_STREAM, 0}},
  };
  write_table(out, "sockets", calls, COUNT(calls));
}

#ifdef __x86_64__
/* getpid by its number in the 32-bit table. */
static long call_32_bit(const struct call* call) {
  (void)call;
  long result = 20;
  __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "cc");
  errno = result < 0 ? (int)-result : 0;
  return result;
}

static void write_foreign_calls(FILE* out) {
  static const struct call x32 = {"x32", 0x40000000L | SYS_getpid, {0}};
  fprintf(out, "\"foreign_calls\":{\"32 bit\":\"%s\",", attempt(call_32_bit, NULL));
  fprintf(out, "\"x32\":\"%s\"},", attempt(make, &x32));
}
#else
static void write_foreign_calls(FILE* out) {
  fputs("\"foreign_calls\":{},", out);
}
#endif

void write_calls(FILE* out) {
  write_namespace_calls(out);
  write_mount_calls(out);
  write_process_calls(out);
  write_kernel_calls(out);
  write_terminal_calls(out);
  write_sockets(out);
  write_foreign_calls(out);
}
