#include "handlers/execute/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "oci/sys/error.h"

namespace execute {
namespace {

constexpr int kCannotExecute = 126;
constexpr int kNotFound = 127;

// If memory runs out, it is the program that has to go, and not who reports it. A process may raise
// the number by itself, if the file is its own: after the prctl it is, and nothing of the program
// runs yet that could look into this one.
void volunteer_for_the_oom_killer() noexcept {
  ::prctl(PR_SET_DUMPABLE, 1);
  const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;  // there is no /proc: the kernel chooses the largest, which helps as well
  const ssize_t ignored = ::write(fd, "1000", 4);
  (void)ignored;
  ::close(fd);
}

// After fork: async-signal-safe calls alone. (execvp is none by the letter of POSIX; that of glibc
// works on its stack, and there is no other thread.)
[[noreturn]] void become(char* const* arguments, const int (&streams)[3], int errors) noexcept {
  ::setsid();
  volunteer_for_the_oom_killer();
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  // Also what whoever started this program has ignored, as nohup does. Not all can be set.
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &action, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  bool connected = true;
  for (int fd = 0; fd < 3; ++fd) {
    connected = connected && (streams[fd] == fd || ::dup2(streams[fd], fd) == fd);
  }
  if (connected) ::execvp(arguments[0], arguments);
  const int error = errno;
  const ssize_t ignored = ::write(errors, &error, sizeof error);
  (void)ignored;
  ::_exit(error == ENOENT ? kNotFound : kCannotExecute);
}

std::chrono::microseconds time_of(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

// Where it is not process 1, as in a test, -1 would be every process of the machine.
bool has_namespace_of_its_own() noexcept {
  return ::getpid() == 1;
}

}  // namespace

Child::Child(const Arguments& arguments, int stdin_fd, int stdout_fd, int stderr_fd) {
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (const std::string& each : arguments) pointers.push_back(const_cast<char*>(each.c_str()));
  pointers.push_back(nullptr);
  const int streams[3] = {stdin_fd, stdout_fd, stderr_fd};
  sys::Pipe errors = sys::make_pipe();
  pid_ = ::fork();
  if (pid_ < 0) sys::throw_errno("fork");
  if (pid_ == 0) become(pointers.data(), streams, errors.write_end.get());
  errors.write_end.reset();
  ssize_t got = 0;
  do {
    got = ::read(errors.read_end.get(), &start_error_, sizeof start_error_);
  } while (got < 0 && errno == EINTR);
}

Child::~Child() {
  end();
}

bool Child::reap_one(int options) noexcept {
  int status = 0;
  rusage used{};
  const pid_t which = has_namespace_of_its_own() ? -1 : pid_;
  const pid_t pid = ::wait4(which, &status, options, &used);
  if (pid < 0) return errno == EINTR;
  if (pid == 0) return false;
  usage_.cpu += time_of(used.ru_utime) + time_of(used.ru_stime);
  const auto memory_bytes = static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
  if (memory_bytes > usage_.memory_bytes) usage_.memory_bytes = memory_bytes;
  if (pid == pid_) {
    ended_ = true;
    wait_status_ = status;
  }
  return true;
}

bool Child::reap() noexcept {
  while (reap_one(WNOHANG)) {
  }
  return ended_;
}

void Child::kill_all() const noexcept {
  if (has_namespace_of_its_own()) {
    ::kill(-1, SIGKILL);
  } else if (!ended_) {
    ::kill(-pid_, SIGKILL);
  }
}

void Child::end() noexcept {
  kill_all();
  while (reap_one(0)) {
  }
}

}  // namespace execute
