#include "oci/runtime/seccomp_profile.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <string>

#include "oci/runtime/native/seccomp_filter.h"
#include "oci/sys/seccomp_notify.h"
#include "oci/sys/unique_fd.h"
#include "tests/oci/runtime/docker_default_calls.h"

namespace {

// What no handler may ever call, whatever the arguments.
constexpr std::string_view kForbidden =
    "mount umount umount2 pivot_root chroot fsopen fsconfig fsmount fspick move_mount open_tree "
    "mount_setattr setns unshare clone3 bpf perf_event_open userfaultfd io_uring_setup "
    "io_uring_enter io_uring_register add_key request_key keyctl ptrace process_vm_readv "
    "process_vm_writev process_madvise process_mrelease pidfd_getfd kcmp init_module finit_module "
    "delete_module create_module query_module get_kernel_syms kexec_load kexec_file_load reboot "
    "swapon swapoff acct quotactl quotactl_fd syslog vhangup lookup_dcookie nfsservctl "
    "name_to_handle_at open_by_handle_at fanotify_init fanotify_mark inotify_init inotify_init1 "
    "inotify_add_watch settimeofday clock_settime adjtimex clock_adjtime stime iopl ioperm "
    "modify_ldt sethostname setdomainname memfd_secret mbind set_mempolicy get_mempolicy "
    "personality migrate_pages move_pages set_mempolicy_home_node io_setup io_submit io_getevents "
    "io_pgetevents sync syncfs pkey_alloc ioprio_set sched_setattr remap_file_pages vmsplice "
    "uselib ustat "
    "sysfs _sysctl";

// What may be called with some arguments only: an allowing rule without conditions is a mistake.
const std::set<std::string> kConditional = {"clone",    "fcntl",      "ioctl",  "mknod",
                                            "mknodat",  "prctl",      "sendto", "sendmsg",
                                            "sendmmsg", "setsockopt", "socket", "socketpair"};

std::set<std::string> words(std::string_view text) {
  std::istringstream in{std::string(text)};
  return {std::istream_iterator<std::string>(in), {}};
}

std::set<std::string> allowed_names() {
  std::set<std::string> found;
  for (const runtime::SeccompRule& rule : runtime::handler_profile().rules) {
    if (rule.action != runtime::SeccompAction::refuse) {
      found.insert(rule.names.begin(), rule.names.end());
    }
  }
  return found;
}

std::uint32_t fail_with(int error) {
  return SCMP_ACT_ERRNO(static_cast<unsigned>(error));
}

std::uint32_t action_of(const runtime::SeccompRule& rule) {
  if (rule.action == runtime::SeccompAction::ask) return SCMP_ACT_NOTIFY;
  return rule.action == runtime::SeccompAction::allow ? SCMP_ACT_ALLOW : fail_with(rule.error);
}

struct FreeFilter {
  void operator()(void* filter) const noexcept { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, FreeFilter>;

// As a runtime does it.
Filter compile(const runtime::SeccompProfile& profile) {
  Filter filter(::seccomp_init(fail_with(profile.unknown_error)));
  for (const runtime::SeccompRule& rule : profile.rules) {
    std::vector<scmp_arg_cmp> conditions;
    for (const auto& condition : rule.conditions)
      conditions.push_back(
          {condition.argument, SCMP_CMP_MASKED_EQ, condition.mask, condition.value});
    for (const std::string_view name : rule.names) {
      const int number = ::seccomp_syscall_resolve_name(std::string(name).c_str());
      const int result =
          ::seccomp_rule_add_array(filter.get(), action_of(rule), number,
                                   static_cast<unsigned>(conditions.size()), conditions.data());
      CHECK_MESSAGE(result == 0, name, ": ", std::strerror(-result));
    }
  }
  return filter;
}

struct Call {
  const char* what;
  long number;
  std::uint64_t arguments[6];
  int error;  // 0: it succeeds
};

constexpr int kAsked = EOVERFLOW;            // what who is asked answers here
constexpr std::uint64_t kNone = ~0ULL;       // no descriptor
constexpr std::uint64_t kHigh = 1ULL << 32;  // what the kernel drops and a filter sees

constexpr Call kCalls[] = {
    {"getpid", SYS_getpid, {}, 0},
    {"a number of the future", 999, {}, ENOSYS},
    {"clone3", SYS_clone3, {}, ENOSYS},
    {"io_uring_setup", SYS_io_uring_setup, {1}, ENOSYS},
    {"mount", SYS_mount, {}, EPERM},
    {"unshare", SYS_unshare, {CLONE_NEWUSER}, EPERM},
    {"a user namespace", SYS_clone, {CLONE_NEWUSER | SIGCHLD}, EPERM},
    {"two namespaces", SYS_clone, {CLONE_NEWNET | CLONE_NEWNS | SIGCHLD}, ENOSYS},
    {"a thread without what one needs", SYS_clone, {CLONE_THREAD}, EINVAL},
    {"a TCP socket", SYS_socket, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC}, 0},
    {"a UDP socket", SYS_socket, {AF_INET, SOCK_DGRAM, IPPROTO_UDP}, 0},
    {"a Unix socket", SYS_socket, {AF_UNIX, SOCK_SEQPACKET}, 0},
    {"routing messages", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE}, 0},
    {"netfilter", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER}, ENOSYS},
    {"SCTP", SYS_socket, {AF_INET, SOCK_STREAM, IPPROTO_SCTP}, ENOSYS},
    {"MPTCP", SYS_socket, {AF_INET6, SOCK_STREAM, 262}, EPROTONOSUPPORT},
    {"IPv6", SYS_socket, {AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP}, 0},
    {"DCCP by its type", SYS_socket, {AF_INET, SOCK_DCCP}, ENOSYS},
    {"a raw socket", SYS_socket, {AF_INET, SOCK_RAW, IPPROTO_ICMP}, ENOSYS},
    {"packets", SYS_socket, {AF_PACKET, SOCK_RAW}, ENOSYS},
    {"AF_ALG", SYS_socket, {AF_ALG, SOCK_SEQPACKET}, EAFNOSUPPORT},
    {"AF_VSOCK", SYS_socket, {AF_VSOCK, SOCK_STREAM}, EAFNOSUPPORT},
    {"TCP with high bits", SYS_socket, {AF_INET | kHigh, SOCK_STREAM}, 0},
    {"SO_LINGER", SYS_setsockopt, {kNone, SOL_SOCKET, SO_LINGER}, EPERM},
    {"SO_LINGER, high name", SYS_setsockopt, {kNone, SOL_SOCKET, SO_LINGER | kHigh}, EPERM},
    {"SO_LINGER, high level", SYS_setsockopt, {kNone, SOL_SOCKET | kHigh, SO_LINGER}, EPERM},
    {"SO_ATTACH_FILTER", SYS_setsockopt, {kNone, SOL_SOCKET, SO_ATTACH_FILTER}, ENOSYS},
    {"SO_DETACH_FILTER", SYS_setsockopt, {kNone, SOL_SOCKET, SO_DETACH_FILTER}, ENOSYS},
    {"SO_BUSY_POLL", SYS_setsockopt, {kNone, SOL_SOCKET, SO_BUSY_POLL}, EBADF},
    {"SO_ATTACH_BPF", SYS_setsockopt, {kNone, SOL_SOCKET, SO_ATTACH_BPF}, ENOSYS},
    {"a filter for a port", SYS_setsockopt, {kNone, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF}, ENOSYS},
    {"a program for a port", SYS_setsockopt, {kNone, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF}, ENOSYS},
    {"SO_PRIORITY", SYS_setsockopt, {kNone, SOL_SOCKET, SO_PRIORITY}, EBADF},
    {"SO_BSDCOMPAT", SYS_setsockopt, {kNone, SOL_SOCKET, SO_BSDCOMPAT}, EBADF},
    {"SO_RCVTIMEO", SYS_setsockopt, {kNone, SOL_SOCKET, SO_RCVTIMEO}, EBADF},
    {"SO_TIMESTAMPING", SYS_setsockopt, {kNone, SOL_SOCKET, SO_TIMESTAMPING}, EBADF},
    {"SO_PREFER_BUSY_POLL", SYS_setsockopt, {kNone, SOL_SOCKET, 69}, EBADF},
    {"TCP_NODELAY", SYS_setsockopt, {kNone, IPPROTO_TCP, TCP_NODELAY}, EBADF},
    {"TCP_ULP", SYS_setsockopt, {kNone, IPPROTO_TCP, TCP_ULP}, ENOSYS},
    {"sendto", SYS_sendto, {kNone, 0, 0, MSG_NOSIGNAL}, EBADF},
    {"sendto, MSG_FASTOPEN", SYS_sendto, {kNone, 0, 0, MSG_FASTOPEN}, kAsked},
    {"connect", SYS_connect, {kNone}, kAsked},
    {"sendmsg, MSG_FASTOPEN", SYS_sendmsg, {kNone, 0, MSG_FASTOPEN | MSG_NOSIGNAL}, kAsked},
    {"F_GETFD", SYS_fcntl, {kNone, F_GETFD}, EBADF},
    {"F_DUPFD_CLOEXEC", SYS_fcntl, {kNone, F_DUPFD_CLOEXEC}, EBADF},
    {"F_ADD_SEALS", SYS_fcntl, {kNone, F_ADD_SEALS}, EBADF},
    {"F_SETLEASE", SYS_fcntl, {kNone, F_SETLEASE}, EPERM},
    {"F_SETLEASE with high bits", SYS_fcntl, {kNone, F_SETLEASE | kHigh}, EPERM},
    {"F_NOTIFY", SYS_fcntl, {kNone, F_NOTIFY}, EPERM},
    {"FIONREAD", SYS_ioctl, {kNone, FIONREAD}, EBADF},
    {"TIOCSTI", SYS_ioctl, {kNone, TIOCSTI}, EPERM},
    {"TIOCSTI with high bits", SYS_ioctl, {kNone, TIOCSTI | kHigh}, EPERM},
    {"TIOCLINUX", SYS_ioctl, {kNone, TIOCLINUX}, ENOSYS},
    {"TIOCSETD", SYS_ioctl, {kNone, TIOCSETD}, ENOSYS},
    {"TIOCGPTN", SYS_ioctl, {kNone, TIOCGPTN}, EBADF},
    {"TUNSETIFF", SYS_ioctl, {kNone, TUNSETIFF}, ENOSYS},
    {"the host's interfaces", SYS_ioctl, {kNone, SIOCGIFCONF}, ENOSYS},
    {"PR_GET_NAME", SYS_prctl, {PR_GET_NAME, 0}, EFAULT},
    {"PR_SCHED_CORE", SYS_prctl, {PR_SCHED_CORE}, ENOSYS},
    {"PR_SCHED_CORE with high bits", SYS_prctl, {PR_SCHED_CORE | kHigh}, ENOSYS},
    {"a persona without ASLR", SYS_personality, {ADDR_NO_RANDOMIZE}, ENOSYS},
    {"a filter", SYS_seccomp, {SECCOMP_SET_MODE_FILTER, 0, 0}, ENOSYS},
    {"a filter, the old way", SYS_prctl, {PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0}, ENOSYS},
    {"whether there is a filter", SYS_prctl, {PR_GET_SECCOMP}, 0},
    {"a fifo", SYS_mknodat, {kNone, 0, S_IFIFO}, EFAULT},
    {"a device", SYS_mknodat, {kNone, 0, S_IFCHR | 0600}, ENOSYS},
};

// Answers whatever `child` asks, until it has ended. It tells by `connection` which descriptor of
// its own is the listener.
void answer_all(pid_t child, int connection) {
  int number = -1;
  if (::read(connection, &number, sizeof number) != sizeof number) return;
  const sys::UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  const sys::UniqueFd listener(
      static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), number, 0)));
  REQUIRE(listener);
  char go = 0;
  REQUIRE(::write(connection, &go, 1) == 1);
  for (pollfd asked{listener.get(), POLLIN, 0};;) {
    ::poll(&asked, 1, -1);
    if ((asked.revents & POLLIN) == 0) return;
    const std::optional<sys::TrappedCall> call = sys::receive_trapped_call(listener.get());
    if (call) sys::answer_call(listener.get(), call->id, kAsked);
  }
}

// What each call of kCalls fails with in a process that has loaded a filter; 0 if it does not.
// Empty if the process did not come to the end.
std::vector<int> errors_under(const std::function<int()>& load) {
  constexpr std::size_t kCount = std::size(kCalls);
  void* const memory = ::mmap(nullptr, kCount * sizeof(int), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  auto* const errors = static_cast<int*>(memory);
  int pair[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  const sys::UniqueFd ours(pair[0]);
  sys::UniqueFd theirs(pair[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    const int listener = load();
    if (listener < 0) ::_exit(1);
    char go = 0;
    if (::write(theirs.get(), &listener, sizeof listener) != sizeof listener) ::_exit(1);
    if (::read(theirs.get(), &go, 1) != 1) ::_exit(1);
    ::close(listener);
    for (std::size_t i = 0; i < kCount; ++i) {
      const auto& a = kCalls[i].arguments;
      errors[i] = ::syscall(kCalls[i].number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
    }
    ::_exit(0);
  }
  theirs.reset();
  answer_all(child, ours.get());
  int status = -1;
  ::waitpid(child, &status, 0);
  std::vector<int> found;
  if (status == 0) found.assign(errors, errors + kCount);
  ::munmap(memory, kCount * sizeof(int));
  return found;
}

}  // namespace

TEST_CASE("every name of the profile is one that libseccomp knows, and stands there once") {
  std::set<std::string> plain;
  for (const runtime::SeccompRule& rule : runtime::handler_profile().rules) {
    for (const std::string_view view : rule.names) {
      const std::string name(view);
      CHECK_MESSAGE(::seccomp_syscall_resolve_name(name.c_str()) != __NR_SCMP_ERROR, name);
      if (rule.conditions.empty()) CHECK_MESSAGE(plain.insert(name).second, name);
    }
  }
}

TEST_CASE("nothing that is forbidden is allowed, and what has conditions only with them") {
  const std::set<std::string> allowed = allowed_names();
  for (const std::string& name : words(kForbidden)) CHECK_MESSAGE(!allowed.contains(name), name);
  for (const runtime::SeccompRule& rule : runtime::handler_profile().rules) {
    for (const std::string_view name : rule.names) {
      if (rule.action == runtime::SeccompAction::allow && rule.conditions.empty()) {
        CHECK_MESSAGE(!kConditional.contains(std::string(name)), name);
      }
    }
  }
}

TEST_CASE("what is allowed is a part of what Docker allows by default") {
  const std::set<std::string> docker = words(fixture::kDockerDefaultCalls);
  // Docker has conditions on these as well; the calls below show that ours are no wider.
  const std::set<std::string> conditional_there = {"clone", "socket"};
  for (const std::string& name : allowed_names()) {
    CHECK_MESSAGE((docker.contains(name) || conditional_there.contains(name)), name);
  }
  CHECK(allowed_names().size() < docker.size());
}

TEST_CASE("a rule asks each argument once: runc takes any of two conditions for both") {
  for (const runtime::SeccompRule& rule : runtime::handler_profile().rules) {
    std::set<unsigned> arguments;
    for (const runtime::SeccompCondition& condition : rule.conditions) {
      CHECK_MESSAGE(arguments.insert(condition.argument).second, rule.names.front());
      CHECK_MESSAGE((condition.value & ~condition.mask) == 0, rule.names.front());
    }
  }
}

TEST_CASE("under the compiled filter calls fail as the profile says") {
  const Filter filter = compile(runtime::handler_profile());
  std::function<int()> load;
  SUBCASE("as a runtime compiles and loads it") {
    load = [&filter] {
      return ::seccomp_load(filter.get()) == 0 ? ::seccomp_notify_fd(filter.get()) : -1;
    };
  }
  const std::string compiled = runtime::native::compile_filter(runtime::handler_profile());
  SUBCASE("as the native launcher does") {
    load = [&compiled] {
      sock_fprog program{
          static_cast<unsigned short>(compiled.size() / sizeof(sock_filter)),
          const_cast<sock_filter*>(reinterpret_cast<const sock_filter*>(compiled.data()))};
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                        SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
    };
  }
  const std::vector<int> errors = errors_under(load);
  REQUIRE(errors.size() == std::size(kCalls));
  for (std::size_t i = 0; i < errors.size(); ++i) {
    CHECK_MESSAGE(errors[i] == kCalls[i].error, kCalls[i].what, ": ", std::strerror(errors[i]));
  }
}

TEST_CASE("the runtime's form names one architecture, an errno for what is unknown, every rule") {
  const runtime::SeccompProfile profile = runtime::handler_profile();
  const nlohmann::json spec = runtime::to_oci_seccomp(profile);
  CHECK(spec["defaultAction"] == "SCMP_ACT_ERRNO");
  CHECK(spec["defaultErrnoRet"] == ENOSYS);
  CHECK(spec["architectures"] == nlohmann::json::array({profile.architecture}));
  REQUIRE(spec["syscalls"].size() == profile.rules.size());
  const runtime::SeccompProfile one = {
      "SCMP_ARCH_X86_64",
      ENOSYS,
      {{{"a", "b"}, {{2, 3, 1}}, runtime::SeccompAction::refuse, EPERM},
       {{"c"}, {}, runtime::SeccompAction::allow, 0}}};
  CHECK(runtime::to_oci_seccomp(one)["syscalls"] == nlohmann::json::parse(R"([
    {"names": ["a", "b"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
     "args": [{"index": 2, "op": "SCMP_CMP_MASKED_EQ", "value": 3, "valueTwo": 1}]},
    {"names": ["c"], "action": "SCMP_ACT_ALLOW"}])"));
}
