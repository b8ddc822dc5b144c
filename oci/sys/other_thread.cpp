#include "oci/sys/other_thread.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>

#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/pidfd.h"

namespace sys {
namespace {

// Some 1.5 kB; a user may be in 65,536 groups of at most 10 digits.
constexpr std::size_t kMaxStatus = 1u << 20;
// None of the calls made in another's place has to wait for anything; what does was made to.
constexpr long kAlarmNs = 20'000'000;
constexpr int kAlarmSignal = SIGALRM;

UniqueFd open_at(int directory, const char* name, int flags) {
  UniqueFd fd(::openat(directory, name, flags | O_CLOEXEC));
  if (!fd) throw_errno(std::string("open ") + name + " of a thread");
  return fd;
}

// The numbers behind "Uid:" and their like.
std::vector<std::uint32_t> numbers_of(std::string_view status, std::string_view key, int base) {
  std::vector<std::uint32_t> numbers;
  const std::size_t line = status.find("\n" + std::string(key) + ":");
  if (line == std::string_view::npos) throw_errno(ESRCH, "read the status of a thread");
  const char* at = status.data() + line + key.size() + 2;
  const char* const end = status.data() + status.size();
  while (at != end && *at != '\n') {
    std::uint32_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number, base);
    if (error == std::errc()) numbers.push_back(number);
    at = error == std::errc() ? next : at + 1;
  }
  return numbers;
}

std::uint32_t number_of(std::string_view status, std::string_view key, std::size_t index,
                        int base = 10) {
  const std::vector<std::uint32_t> numbers = numbers_of(status, key, base);
  if (index >= numbers.size()) throw_errno(ESRCH, "read the status of a thread");
  return numbers[index];
}

constexpr std::size_t kEffective = 1;  // of "Uid: real effective saved filesystem"

void ignore_alarm(int) {}

// A process that is half another one can only end.
void must(bool done) {
  if (!done) std::abort();
}

}  // namespace

OtherThread::OtherThread(pid_t thread) : thread_(thread) {
  proc_ = open_directory("/proc/" + std::to_string(thread));
  status_ =
      read_fd(open_at(proc_.get(), "status", O_RDONLY).get(), kMaxStatus, "the status of a thread");
  process_ = static_cast<pid_t>(number_of(status_, "Tgid", 0));
}

Standpoint OtherThread::standpoint() const {
  Standpoint found;
  found.root = open_at(proc_.get(), "root", O_PATH | O_DIRECTORY);
  found.working_directory = open_at(proc_.get(), "cwd", O_PATH | O_DIRECTORY);
  found.umask = number_of(status_, "Umask", 0, 8);
  found.uid = number_of(status_, "Uid", kEffective);
  found.gid = number_of(status_, "Gid", kEffective);
  found.groups = numbers_of(status_, "Groups", 10);
  return found;
}

UniqueFd OtherThread::descriptor(int fd) const {
  const std::optional<UniqueFd> process = open_pidfd(process_);
  if (!process) throw_errno(ESRCH, "open a process");
  std::optional<UniqueFd> taken = take_fd(process->get(), fd);
  if (!taken) throw_errno(EBADF, "take a descriptor");
  return std::move(*taken);
}

void OtherThread::read_memory(std::uint64_t address, std::span<std::byte> into) const {
  const iovec ours{into.data(), into.size()};
  const iovec theirs{reinterpret_cast<void*>(address), into.size()};
  const ssize_t count = ::process_vm_readv(thread_, &ours, 1, &theirs, 1, 0);
  if (count != static_cast<ssize_t>(into.size())) throw_errno(EFAULT, "read a thread's memory");
}

UniqueFd OtherThread::network_namespace() const {
  return open_at(proc_.get(), "ns/net", O_RDONLY);
}

bool is_of_network_namespace(int socket, int network_namespace) {
  const UniqueFd own(::ioctl(socket, SIOCGSKNS));
  if (!own) throw_errno(errno == ENOTTY ? ENOTSOCK : errno, "ask for a socket's namespace");
  struct stat one {};
  struct stat other {};
  if (::fstat(own.get(), &one) != 0 || ::fstat(network_namespace, &other) != 0) {
    throw_errno("stat a network namespace");
  }
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

StandIn::StandIn() : own_root_(open_directory("/")), own_gid_(::getegid()) {
  if (::unshare(CLONE_FS) != 0) throw_errno("unshare the root directory");
  own_umask_ = ::umask(0);
  ::umask(own_umask_);
  own_groups_.resize(static_cast<std::size_t>(::getgroups(0, nullptr)));
  if (::getgroups(static_cast<int>(own_groups_.size()), own_groups_.data()) < 0) {
    throw_errno("getgroups");
  }
  // Without SA_RESTART: it is there to interrupt.
  struct sigaction action {};
  action.sa_handler = ignore_alarm;
  if (::sigaction(kAlarmSignal, &action, nullptr) != 0) throw_errno("sigaction");
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = kAlarmSignal;
  event._sigev_un._tid = static_cast<pid_t>(::syscall(SYS_gettid));
  if (::timer_create(CLOCK_MONOTONIC, &event, &alarm_) == 0) return;
  if (errno != EAGAIN) throw_errno("timer_create");
  throw Refused(Refusal::failed, "no_timer",
                "no timer can be had: processes of root have all the pending signals that root may "
                "have (RLIMIT_SIGPENDING); `grep SigQ /proc/*/status` shows whose they are");
}

StandIn::~StandIn() {
  ::timer_delete(alarm_);
}

// The C library would change the credentials of all threads; the system calls change this one's.
template <typename Call>
int StandIn::perform(const Standpoint& standpoint, Call call) {
  constexpr auto kKeep = static_cast<uid_t>(-1);
  must(::fchdir(standpoint.root.get()) == 0 && ::chroot(".") == 0);
  const bool entered = ::fchdir(standpoint.working_directory.get()) == 0;
  ::umask(standpoint.umask);
  must(::syscall(SYS_setgroups, standpoint.groups.size(), standpoint.groups.data()) == 0);
  must(::syscall(SYS_setresgid, kKeep, standpoint.gid, kKeep) == 0);
  must(::syscall(SYS_setresuid, kKeep, standpoint.uid, kKeep) == 0);

  // It goes on ringing: the first time may be before the wait.
  const itimerspec ringing{{0, kAlarmNs}, {0, kAlarmNs}};
  const itimerspec silent{};
  ::timer_settime(alarm_, 0, &ringing, nullptr);
  const int error = !entered ? EACCES : call() == -1 ? errno : 0;
  ::timer_settime(alarm_, 0, &silent, nullptr);

  must(::syscall(SYS_setresuid, kKeep, 0, kKeep) == 0);
  must(::syscall(SYS_setresgid, kKeep, own_gid_, kKeep) == 0);
  must(::syscall(SYS_setgroups, own_groups_.size(), own_groups_.data()) == 0);
  ::umask(own_umask_);
  must(::fchdir(own_root_.get()) == 0 && ::chroot(".") == 0);
  return error;
}

int StandIn::connect(const Standpoint& standpoint, int socket, std::span<const std::byte> address) {
  return perform(standpoint, [&] {
    return ::connect(socket, reinterpret_cast<const sockaddr*>(address.data()),
                     static_cast<socklen_t>(address.size()));
  });
}

int StandIn::bind(const Standpoint& standpoint, int socket, std::span<const std::byte> address) {
  return perform(standpoint, [&] {
    return ::bind(socket, reinterpret_cast<const sockaddr*>(address.data()),
                  static_cast<socklen_t>(address.size()));
  });
}

int StandIn::listen(const Standpoint& standpoint, int socket, int backlog) {
  return perform(standpoint, [&] { return ::listen(socket, backlog); });
}

}  // namespace sys
