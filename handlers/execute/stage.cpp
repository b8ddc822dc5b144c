#include "handlers/execute/stage.h"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>

#include "oci/sys/error.h"

namespace execute {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kMaxPoll{60'000};  // poll takes an int
constexpr std::size_t kReadBytes = 64 << 10;

sigset_t child_signal() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGCHLD);
  return signals;
}

// One of the two streams of a child that is captured.
struct Stream {
  sys::UniqueFd fd;
  std::string* text = nullptr;
  Cut too_long = Cut::none;
};

class Stage {
 public:
  Stage(const Timeout& timeout, std::size_t output_bytes, int connection)
      : timeout_(timeout), output_bytes_(output_bytes), connection_(connection) {
    const sigset_t signals = child_signal();
    signals_.reset(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) sys::throw_errno("signalfd");
  }

  // The ends that the child writes to.
  std::array<sys::UniqueFd, 2> capture() {
    sys::Pipe out = sys::make_pipe();
    sys::Pipe err = sys::make_pipe();
    sys::set_nonblocking(out.read_end.get(), true);
    sys::set_nonblocking(err.read_end.get(), true);
    streams_[0] = {std::move(out.read_end), &outcome_.out, Cut::stdout_too_long};
    streams_[1] = {std::move(err.read_end), &outcome_.err, Cut::stderr_too_long};
    return {std::move(out.write_end), std::move(err.write_end)};
  }

  // Of the child that was started at `start`.
  Outcome watch(Child& child, Clock::time_point start) {
    const auto deadline = timeout_ ? std::optional(start + *timeout_) : std::nullopt;
    while (!child.reap()) {
      if (outcome_.cut == Cut::none && deadline && Clock::now() >= *deadline) {
        outcome_.cut = Cut::timed_out;
      }
      // Again and again: a process that was being made when the last signal went around.
      if (outcome_.cut != Cut::none) child.kill_all();
      wait(outcome_.cut == Cut::none ? deadline : std::nullopt);
    }
    outcome_.wall = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
    child.end();
    // Nobody writes any more: what they left has an end.
    for (Stream& stream : streams_) {
      while (stream.fd && take(stream)) {
      }
    }
    outcome_.wait_status = child.wait_status();
    outcome_.start_error = child.start_error();
    outcome_.usage = child.usage();
    return std::move(outcome_);
  }

 private:
  // For a signal, output, the client's end, or the deadline.
  void wait(std::optional<Clock::time_point> deadline) {
    std::chrono::milliseconds left = kMaxPoll;
    if (deadline) {
      left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now());
      left = std::clamp(left, std::chrono::milliseconds(0), kMaxPoll);
    }
    std::array<pollfd, 4> fds{{{signals_.get(), POLLIN, 0},
                               {connection_, POLLRDHUP, 0},
                               {streams_[0].fd.get(), POLLIN, 0},
                               {streams_[1].fd.get(), POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), static_cast<int>(left.count())) < 0) {
      if (errno != EINTR) sys::throw_errno("poll");
      return;
    }
    if (fds[0].revents != 0) forget_signals();
    if (fds[1].revents != 0) throw ClientGone();
    if (fds[2].revents != 0) take(streams_[0]);
    if (fds[3].revents != 0) take(streams_[1]);
  }

  void forget_signals() noexcept {
    signalfd_siginfo ignored{};
    while (::read(signals_.get(), &ignored, sizeof ignored) > 0) {
    }
  }

  // Up to the limit; what is over it is dropped. False if there was nothing.
  bool take(Stream& stream) {
    static char buffer[kReadBytes];
    const sys::ReadResult got = sys::read_now(stream.fd.get(), buffer, sizeof buffer);
    const std::size_t kept = std::min(got.bytes, output_bytes_ - stream.text->size());
    stream.text->append(buffer, kept);
    outcome_.output.append(buffer, kept);
    if (kept < got.bytes && outcome_.cut == Cut::none) outcome_.cut = stream.too_long;
    if (got.ended) stream.fd.reset();
    return got.bytes > 0;
  }

  Timeout timeout_;
  std::size_t output_bytes_;
  int connection_;
  sys::UniqueFd signals_;
  std::array<Stream, 2> streams_;
  Outcome outcome_;
};

// Sealed, so that it is the same however often it is opened.
sys::UniqueFd file_of(const std::string& text) {
  sys::UniqueFd fd(::memfd_create("stdin", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) sys::throw_errno("memfd_create");
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t n = ::write(fd.get(), text.data() + at, text.size() - at);
    if (n < 0 && errno != EINTR) sys::throw_errno("write the standard input");
    if (n > 0) at += static_cast<std::size_t>(n);
  }
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) sys::throw_errno("seal the standard input");
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) sys::throw_errno("lseek");
  return fd;
}

}  // namespace

void begin() {
  const sigset_t signals = child_signal();
  if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) sys::throw_errno("sigprocmask");
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  if (::sigaction(SIGPIPE, &ignore, nullptr) != 0) sys::throw_errno("sigaction");
}

Outcome compile(const Program& program, int connection) {
  Stage stage(program.compile_timeout, program.output_bytes, connection);
  std::array<sys::UniqueFd, 2> ends = stage.capture();
  const sys::UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!nothing) sys::throw_errno("open /dev/null");
  const auto start = Clock::now();
  Child child(program.compile, nothing.get(), ends[0].get(), ends[1].get());
  for (sys::UniqueFd& end : ends) end.reset();
  return stage.watch(child, start);
}

Outcome run(Program program, int connection) {
  Stage stage(program.run_timeout, 0, connection);
  const sys::UniqueFd input = file_of(program.stdin_text);
  // The child's peak of memory begins with what this process has when it is made.
  program.stdin_text = {};
  ::malloc_trim(0);
  const auto start = Clock::now();
  Child child(program.run, input.get(), STDOUT_FILENO, STDERR_FILENO);
  return stage.watch(child, start);
}

}  // namespace execute
