#include "oci/image/unpack_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <system_error>
#include <utility>

#include "oci/image/refusal.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/pidfd.h"

namespace image {
namespace {

// Fewer wake-ups of both ends; the bound for unprivileged users is the same number (pipe(7)).
constexpr int kPipeBytes = 1 << 20;
// What is handed on at once.
constexpr std::size_t kPieceBytes = 256U << 10;

// A child that has died makes write(2) fail with EPIPE, not end this process with SIGPIPE, whatever
// the process says of that signal; for this thread and this scope.
class NoSigpipe {
 public:
  NoSigpipe() {
    ::sigemptyset(&sigpipe_);
    ::sigaddset(&sigpipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;
  ~NoSigpipe() {
    // One of ours may be pending; it must not be delivered when the mask goes back.
    constexpr timespec kAtOnce{};
    if (::sigismember(&before_, SIGPIPE) == 0) ::sigtimedwait(&sigpipe_, nullptr, &kAtOnce);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t sigpipe_{};
  sigset_t before_{};
};

}  // namespace

UnpackProcess::UnpackProcess(const std::filesystem::path& program,
                             const std::filesystem::path& staging_dir, const Quota& quota,
                             std::chrono::milliseconds patience, const std::stop_token& stop)
    : quota_(quota), patience_(patience), stop_(stop) {
  spawn(program, staging_dir);
  on_stop_.emplace(stop_, [this] { sys::send_signal(watched_.get(), SIGKILL); });
  postpone();
  watchdog_ = std::thread([this] { watch(); });
  try {
    write({reinterpret_cast<const char*>(&quota_), sizeof quota_});
    flush();
  } catch (...) {
    stop_watching();
    throw;
  }
}

UnpackProcess::~UnpackProcess() {
  stop_watching();
}

void UnpackProcess::spawn(const std::filesystem::path& program,
                          const std::filesystem::path& staging_dir) {
  sys::Pipe archive = sys::make_pipe();
  sys::Pipe report = sys::make_pipe();
  ::fcntl(archive.write_end.get(), F_SETPIPE_SZ, kPipeBytes);  // the default does as well
  sys::SubprocessOptions options;
  options.argv = {program.string(), "unpack-image", staging_dir.string()};
  options.env = {};
  options.stdin_fd = archive.read_end.get();
  options.stdout_fd = report.write_end.get();
#ifdef __SANITIZE_ADDRESS__
  // LeakSanitizer stops the process with ptrace when it ends, which the filter forbids; what the
  // others find is worth seeing.
  options.env = {"ASAN_OPTIONS=detect_leaks=0"};
  options.stderr_fd = STDERR_FILENO;
#endif
  child_.emplace(options);
  watched_ = sys::duplicate(child_->pidfd());
  archive_ = std::move(archive.write_end);
  report_ = std::move(report.read_end);
}

void UnpackProcess::watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (std::chrono::steady_clock::now() >= deadline_) {
      killed_ = true;
      sys::send_signal(watched_.get(), SIGKILL);
      return;
    }
    stopped_.wait_until(lock, deadline_);
  }
}

void UnpackProcess::postpone(int factor) {
  const std::lock_guard lock(mutex_);
  deadline_ = std::chrono::steady_clock::now() + factor * patience_;
}

void UnpackProcess::stop_watching() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  if (watchdog_.joinable()) watchdog_.join();
}

void UnpackProcess::write(std::string_view bytes) {
  unsent_.append(bytes);
  if (unsent_.size() >= kPieceBytes) flush();
}

void UnpackProcess::flush() {
  const NoSigpipe no_sigpipe;
  postpone();
  std::string_view bytes = unsent_;
  while (!bytes.empty()) {
    const ssize_t n = ::write(archive_.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EPIPE) {
      unsent_.clear();
      finish();  // throws what the child had to say
      refuse("trailing_garbage", "the archive goes on behind its end: send one archive, whole");
    }
    if (n < 0) sys::throw_errno("write to the unpacking process");
    bytes.remove_prefix(static_cast<std::size_t>(n));
    postpone();
  }
  unsent_.clear();
}

// How the child ended. One that was refused long before its owner came back (a slow upload) may
// have been reaped as a stray; what it had to say is in the pipe all the same.
std::string UnpackProcess::reap() {
  try {
    return child_->wait().describe();
  } catch (const std::system_error& error) {
    if (error.code().value() != ECHILD) throw;
    return "a status that is not known any more";
  }
}

UnpackReport UnpackProcess::finish() {
  flush();
  archive_.reset();
  postpone(kUnpackFinishFactor);
  std::string report;
  bool oversized = false;
  try {
    report = sys::read_fd(report_.get(), kReportBytes, "the report of the unpacking process");
  } catch (const sys::Refused&) {
    oversized = true;
    child_->kill();
  }
  // It has closed its standard output, or was killed; only a hostile one still runs, until the
  // watchdog comes.
  const std::string ending = reap();
  stop_watching();
  if (stop_.stop_requested()) refuse_while_stopping();
  if (killed_) {
    throw sys::Refused(sys::Refusal::failed, "unpack_timeout",
                       "the unpacking process did nothing for " +
                           std::to_string(patience_.count() / 1000) + " s and was stopped");
  }
  if (oversized || report.empty()) {
    throw sys::Refused(sys::Refusal::failed, "unpack_failed",
                       "the unpacking process ended with " + ending + " and without a report");
  }
  return decode_report(report, quota_);
}

}  // namespace image
