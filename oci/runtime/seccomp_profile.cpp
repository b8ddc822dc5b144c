#include "oci/runtime/seccomp_profile.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <nlohmann/json.hpp>

namespace runtime {
namespace {

using nlohmann::json;
using Rules = std::vector<SeccompRule>;
using Conditions = std::vector<SeccompCondition>;

#if defined(__x86_64__)
constexpr std::string_view kArchitecture = "SCMP_ARCH_X86_64";
#elif defined(__aarch64__)
constexpr std::string_view kArchitecture = "SCMP_ARCH_AARCH64";
#else
#error "name this processor's architecture as in the runtime-spec, config-linux.md, seccomp"
#endif

// A kernel that does not have the call answers so, and every C library and runtime has a way round:
// clone3 (its flags lie in memory, where no filter sees them), io_uring, and all that is newer than
// this list. EPERM there would be taken for the last word, as it was of faccessat2 in containers.
constexpr int kUnknownError = ENOSYS;

// Names that one architecture lacks (open, fork, … on arm64) are no rule there.

// Not sync and syncfs: one container would make the host write out everybody's files. Not inotify:
// it shows which files of a shared base others open, and its instances are counted for the host's
// root, who has 128 of them.
constexpr std::string_view kFiles =
    "access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat "
    "faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchown fchownat fdatasync fgetxattr "
    "flistxattr flock fremovexattr fsetxattr fstat fstatfs fsync ftruncate getcwd getdents64 "
    "getxattr lchown lgetxattr link linkat listxattr llistxattr lremovexattr lseek lsetxattr "
    "lstat mkdir mkdirat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev "
    "pwritev2 read readlink readlinkat readv removexattr rename renameat renameat2 rmdir sendfile "
    "setxattr splice stat statfs statx symlink symlinkat truncate umask unlink unlinkat utime "
    "utimensat utimes write writev";

// Not userfaultfd and process_madvise, nor NUMA policies, which Docker refuses as well.
constexpr std::string_view kMemory =
    "brk madvise membarrier memfd_create mincore mlock mlockall mmap mprotect mremap msync "
    "munlock munlockall munmap";

// Whatever takes a capability among these fails by itself: there is none.
constexpr std::string_view kProcesses =
    "arch_prctl capget capset execve execveat exit exit_group fork getegid geteuid getgid "
    "getgroups getpgid getpgrp getpid getppid getpriority getresgid getresuid getsid gettid "
    "getuid kill landlock_add_rule landlock_create_ruleset landlock_restrict_self pidfd_open "
    "pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo setgid setgroups setpgid setpriority "
    "setregid setresgid setresuid setreuid setsid setuid tgkill tkill vfork wait4 waitid";

constexpr std::string_view kThreads =
    "futex futex_waitv getcpu rseq sched_get_priority_max sched_get_priority_min "
    "sched_getaffinity sched_getparam sched_getscheduler sched_setaffinity sched_setparam "
    "sched_setscheduler sched_yield set_robust_list set_tid_address";

constexpr std::string_view kSignals =
    "pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend "
    "rt_sigtimedwait sigaltstack signalfd4";

constexpr std::string_view kTime =
    "alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer "
    "time timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create "
    "timerfd_gettime timerfd_settime times";

// Not io_setup and its like: the host has 65,536 such events in all, for whoever comes first.
constexpr std::string_view kEvents =
    "epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd2 pipe pipe2 "
    "poll ppoll pselect6 select";

// Which sockets there are at all: see `sockets`.
constexpr std::string_view kSockets =
    "accept accept4 getpeername getsockname getsockopt recvfrom recvmmsg recvmsg shutdown";

// The container has an IPC namespace of its own. Not POSIX message queues: what they hold is
// charged to the host's root, who has room for nine.
constexpr std::string_view kIpc =
    "msgctl msgget msgrcv msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget";

constexpr std::string_view kSystem =
    "getrandom getrlimit getrusage prlimit64 setrlimit sysinfo uname";

// Programs do try these, and are used to hear EPERM when they may not; everything else that asks
// for a privilege is unknown. (A rule costs every launch some 15 microseconds of runc.)
constexpr std::string_view kPrivileged =
    "bpf chroot keyctl mount perf_event_open pivot_root ptrace reboot setns umount2 unshare "
    "userfaultfd";

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    found.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return found;
}

SeccompCondition masked(unsigned argument, std::uint32_t mask, std::uint32_t value) {
  return {argument, mask, value};
}
SeccompCondition equal(unsigned argument, std::uint32_t value) {
  return masked(argument, ~0U, value);
}
SeccompCondition without(unsigned argument, std::uint32_t bits) {
  return masked(argument, bits, 0);
}
SeccompCondition with(unsigned argument, std::uint32_t bit) {
  return masked(argument, bit, bit);
}

struct Range {
  unsigned argument;
  std::uint32_t first;
  std::uint32_t end;         // not in it
  std::uint32_t mask = ~0U;  // of the argument
};

// In blocks of a power of two, which a mask can name. (An order would compare 64 bits.)
Conditions range(const Range& all) {
  Conditions blocks;
  for (std::uint32_t at = all.first; at < all.end;) {
    std::uint32_t size = at == 0 ? std::bit_floor(all.end) : at & (0 - at);
    while (size > all.end - at) size /= 2;
    blocks.push_back(masked(all.argument, all.mask & ~(size - 1), at));
    at += size;
  }
  return blocks;
}

void allow(Rules& rules, std::string_view names, Conditions conditions = {}) {
  rules.push_back({words(names), std::move(conditions), SeccompAction::allow, 0});
}
void refuse(Rules& rules, std::string_view names, Conditions conditions, int error = EPERM) {
  rules.push_back({words(names), std::move(conditions), SeccompAction::refuse, error});
}
void ask(Rules& rules, std::string_view names, Conditions conditions = {}) {
  rules.push_back({words(names), std::move(conditions), SeccompAction::ask, 0});
}

// One rule a block, each with `conditions` before it.
void allow_range(Rules& rules, std::string_view names, const Conditions& conditions,
                 const Range& all) {
  for (const SeccompCondition& block : range(all)) {
    Conditions both = conditions;
    both.push_back(block);
    allow(rules, names, std::move(both));
  }
}

struct Gap {
  std::uint32_t first;
  std::uint32_t last;
};

void allow_outside(Rules& rules, std::string_view names, const Conditions& conditions,
                   const Range& all, std::initializer_list<Gap> gaps) {
  std::uint32_t first = all.first;
  for (const Gap& gap : gaps) {
    allow_range(rules, names, conditions, {all.argument, first, gap.first, all.mask});
    first = gap.last + 1;
  }
  allow_range(rules, names, conditions, {all.argument, first, all.end, all.mask});
}

// Processes and threads, but no namespace: a user namespace is where most holes of the kernel
// start. (The time namespace has no flag in clone(2).)
void clone(Rules& rules) {
  allow(rules, "clone",
        {without(0, CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID |
                        CLONE_NEWUSER | CLONE_NEWUTS)});
  refuse(rules, "clone", {masked(0, CLONE_NEWUSER, CLONE_NEWUSER)});
}

// Unix sockets, TCP and UDP, and routing messages, by which getaddrinfo(3), getifaddrs(3) and Go
// learn what network there is. Everything else is code of the kernel that handlers do not need, in
// part loaded as a module at the first socket of its kind.
void sockets(Rules& rules) {
  allow(rules, "socket socketpair", {equal(0, AF_UNIX)});
  static_assert((AF_INET ^ AF_INET6) == 8);
  const SeccompCondition internet = masked(0, ~8U, AF_INET);  // of both versions
  // Flags stand above the type. Below 4 there are streams, datagrams, and raw sockets, which need a
  // capability; above, types that are another name of SCTP and DCCP.
  const SeccompCondition plain_type = without(1, 0xc);
  for (const std::uint32_t protocol :
       {0U, std::uint32_t{IPPROTO_TCP}, std::uint32_t{IPPROTO_UDP}}) {
    allow(rules, "socket", {internet, plain_type, equal(2, protocol)});
  }
  allow(rules, "socket", {equal(0, AF_NETLINK), equal(2, NETLINK_ROUTE)});
  // What programs try: MPTCP (262; Go's first choice), and families from 32 on (AF_ALG, AF_VSOCK).
  refuse(rules, "socket", {internet, masked(2, ~255U, 256)}, EPROTONOSUPPORT);
  refuse(rules, "socket", {masked(0, ~31U, 32)}, EAFNOSUPPORT);
  // The socket that a handler is given is one of the host's network: once its connection is over,
  // it could be connected, bound or made to listen anew. MSG_FASTOPEN connects without connect(2).
  ask(rules, "bind connect listen");
  allow(rules, "sendmsg", {without(2, MSG_FASTOPEN)});
  allow(rules, "sendto sendmmsg", {without(3, MSG_FASTOPEN)});
  ask(rules, "sendmsg", {with(2, MSG_FASTOPEN)});
  ask(rules, "sendto sendmmsg", {with(3, MSG_FASTOPEN)});
}

void socket_options(Rules& rules) {
  for (const std::uint32_t level : {IPPROTO_IP, IPPROTO_UDP, IPPROTO_IPV6}) {
    allow(rules, "setsockopt", {equal(1, level)});
  }
  // TCP_ULP turns a socket over to other code (TLS in the kernel); what is newer changes how the
  // whole host sends (TCP_TX_DELAY) or is for checkpoints.
  constexpr std::uint32_t kNewerTcp = TCP_SAVED_SYN;
  static_assert(kNewerTcp < TCP_ULP);
  allow_range(rules, "setsockopt", {equal(1, IPPROTO_TCP)}, {2, 0, kNewerTcp});
  // The socket that a handler is given is the daemon's too for a moment. A lingering close would
  // let the handler make the daemon's close(2) wait, so it cannot ask for one.
  // Nor a filter of its own on any socket, whose compiled form is nobody's memory: see prctl.
  // The gaps are wider than that where nobody misses a neighbour, for fewer rules.
  constexpr std::uint32_t kMoreOptions = 128;  // the kernel has some 85
  allow_outside(rules, "setsockopt", {equal(1, SOL_SOCKET)}, {2, 0, kMoreOptions},
                {{SO_LINGER, SO_LINGER},
                 {SO_SECURITY_ENCRYPTION_NETWORK, SO_DETACH_FILTER},  // with SO_ATTACH_FILTER
                 {SO_BPF_EXTENSIONS, SO_MEMINFO}});  // with SO_ATTACH_BPF, _REUSEPORT_CBPF, _EBPF
  refuse(rules, "setsockopt", {equal(1, SOL_SOCKET), equal(2, SO_LINGER)});
}

// What terminals know (a letter 'T' and a number; what stands above, a size, is of no matter), and
// with them every descriptor: FIONREAD, FIONBIO, FIOCLEX. But TIOCSTI types into a terminal,
// TIOCLINUX and TIOCCONS into a console, and TIOCSETD loads other code for a line. Nothing that
// asks a socket for interfaces (SIOCGIF…): the one that a handler is given would tell of the
// host's.
void device_controls(Rules& rules) {
  constexpr std::uint32_t kNumber = 0xffff;
  constexpr std::uint32_t kFirst = 0x5400;
  constexpr std::uint32_t kAfterTerminals = 0x5480;
  allow_outside(rules, "ioctl", {}, {1, kFirst, kAfterTerminals, kNumber},
                {{TIOCSTI, TIOCSTI}, {TIOCLINUX, TIOCSSERIAL}, {TIOCSETD, TIOCSETD}});
  allow(rules, "ioctl", {equal(1, FICLONE)});  // cp(1) tries it
  refuse(rules, "ioctl", {masked(1, kNumber, TIOCSTI)});
}

// Inodes are shared by images: a lease on one makes every other container's open(2) of it wait for
// a minute, and the root of a container owns what the root of all others does. F_NOTIFY tells of
// what others do in a directory.
void file_controls(Rules& rules) {
  static_assert(F_SETLEASE == 1024 && F_GETLEASE == 1025 && F_NOTIFY == 1026);
  static_assert(F_DUPFD_CLOEXEC == 1030 && F_GETPIPE_SZ == 1032);
  allow_range(rules, "fcntl", {}, {1, 0, F_SETLEASE});
  allow_range(rules, "fcntl", {}, {1, F_DUPFD_CLOEXEC, F_GETPIPE_SZ + 8});
  refuse(rules, "fcntl", {masked(1, ~3U, F_SETLEASE)});
  // A fifo, as mkfifo(3) makes it; a device node would need a capability too.
  allow(rules, "mknod", {masked(1, S_IFMT, S_IFIFO)});
  allow(rules, "mknodat", {masked(2, S_IFMT, S_IFIFO)});
}

void process_controls(Rules& rules) {
  // Up to the newest that an ordinary program asks for; after it, PR_SCHED_CORE would keep the
  // other half of a processor core from everybody else.
  constexpr std::uint32_t kNewer = 56;
  static_assert(kNewer > PR_SET_TAGGED_ADDR_CTRL && kNewer < PR_SCHED_CORE);
  // No filters of its own: the kernel compiles them into memory that it charges to nobody and of
  // which the host has 504 MiB (bpf_jit_limit). Seven containers could have it all, and then no
  // other one starts.
  allow_outside(rules, "prctl", {}, {0, 0, kNewer}, {{PR_SET_SECCOMP, PR_SET_SECCOMP}});
  allow(rules, "prctl", {equal(0, PR_SET_VMA)});
}

std::string_view to_word(SeccompAction action) {
  switch (action) {
    case SeccompAction::allow:
      return "SCMP_ACT_ALLOW";
    case SeccompAction::refuse:
      return "SCMP_ACT_ERRNO";
    case SeccompAction::ask:
      return "SCMP_ACT_NOTIFY";
  }
  return "SCMP_ACT_KILL_PROCESS";
}

}  // namespace

SeccompProfile handler_profile() {
  SeccompProfile profile{kArchitecture, kUnknownError, {}};
  for (const std::string_view names :
       {kFiles, kMemory, kProcesses, kThreads, kSignals, kTime, kEvents, kSockets, kIpc, kSystem}) {
    allow(profile.rules, names);
  }
  refuse(profile.rules, kPrivileged, {});
  clone(profile.rules);
  sockets(profile.rules);
  socket_options(profile.rules);
  device_controls(profile.rules);
  file_controls(profile.rules);
  process_controls(profile.rules);
  return profile;
}

json to_oci_seccomp(const SeccompProfile& profile) {
  json rules = json::array();
  for (const SeccompRule& rule : profile.rules) {
    json entry = {{"names", rule.names}, {"action", to_word(rule.action)}};
    if (rule.action == SeccompAction::refuse) entry["errnoRet"] = rule.error;
    for (const SeccompCondition& condition : rule.conditions) {
      entry["args"].push_back({{"index", condition.argument},
                               {"op", "SCMP_CMP_MASKED_EQ"},
                               {"value", condition.mask},
                               {"valueTwo", condition.value}});
    }
    rules.push_back(std::move(entry));
  }
  // Naming one architecture forbids all others: 32-bit calls would go past these rules.
  return {{"defaultAction", "SCMP_ACT_ERRNO"},
          {"defaultErrnoRet", profile.unknown_error},
          {"architectures", {profile.architecture}},
          {"syscalls", std::move(rules)}};
}

}  // namespace runtime
