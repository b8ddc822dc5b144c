#include "oci/runtime/oci_launcher.h"

#include <sys/epoll.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/keyring.h"
#include "oci/sys/pidfd.h"
#include "oci/sys/random.h"
#include "oci/sys/subprocess.h"

namespace runtime {
namespace {

// The runtime's own log: a failed launch writes a few lines, and only the last one counts.
constexpr std::size_t kMaxRuntimeLog = 64u << 10;
constexpr std::size_t kMaxPidFile = 32;
constexpr std::size_t kMaxCommandLine = 1u << 20;
// How often one is looked at that is empty, a millisecond apart.
constexpr int kLooks = 20;

// The last message in the runtime's JSON log; empty if it wrote none that we can read.
std::string last_message(const std::filesystem::path& log_file) {
  std::string text;
  try {
    text = sys::read_file_if_exists(log_file, kMaxRuntimeLog).value_or("");
  } catch (const sys::Refused&) {
    return "its log is too long to read";
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::string line = text.substr(text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n'));
  const nlohmann::json entry = nlohmann::json::parse(line, nullptr, false);
  if (!entry.is_object() || !entry.contains("msg") || !entry["msg"].is_string()) return line;
  return entry["msg"].get<std::string>();
}

pid_t read_pid(const std::filesystem::path& file) {
  const std::string text = sys::read_file(file, kMaxPidFile);
  pid_t pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  return pid;
}

// One `runtime run --detach` on its way.
class OciLaunch : public Launch {
 public:
  OciLaunch(sys::EventLoop& loop, std::string program, const Bundle& bundle,
            const sys::SubprocessOptions& options, std::function<void(LaunchResult)> done)
      : program_(std::move(program)),
        bundle_(bundle),
        done_(std::move(done)),
        process_(options),
        watch_(loop.watch(process_.pidfd(), EPOLLIN, [this](auto) { runtime_exited(); })) {}

  void abandon() noexcept override {
    watch_.reset();
    process_.kill();
  }
  bool is_gone() noexcept override {
    gone_ = gone_ || process_.poll().has_value();
    return gone_;
  }

 private:
  void runtime_exited() {
    const std::optional<sys::ExitStatus> status = process_.poll();
    if (!status) return;
    watch_.reset();
    // `done_` destroys this object; nothing of it may be touched afterwards.
    const std::function<void(LaunchResult)> done = std::move(done_);
    done(result(*status));
  }

  LaunchResult result(const sys::ExitStatus& status) const {
    try {
      if (!status.success()) {
        const std::string message = last_message(bundle_.log_file());
        // runc removes the cgroup of a container that it could not make, and with it the count.
        return LaunchFailure{"the container runtime failed",
                             program_ + " ended with " + status.describe() + ": " + message,
                             message.find("OOM-killed") != std::string::npos};
      }
      std::optional<sys::UniqueFd> pidfd = sys::open_pidfd(read_pid(bundle_.pid_file()));
      if (pidfd) return Launched{std::move(*pidfd)};
      return LaunchFailure{"the container runtime failed",
                           program_ + " reported success, but its container is gone"};
    } catch (const std::exception& error) {
      return LaunchFailure{"the container runtime failed",
                           program_ + " reported success, but left no pid: " + error.what()};
    }
  }

  std::string program_;
  const Bundle& bundle_;
  std::function<void(LaunchResult)> done_;
  bool gone_ = false;
  sys::Subprocess process_;
  sys::EventLoop::Watch watch_;
};

// A process that is just executing another program has none for a moment, and the runtimes do so
// several times. Kernel threads and processes that have ended have no program either.
std::string command_line_of(const std::filesystem::path& process) {
  for (int look = 0; look < kLooks; ++look) {
    const auto found = sys::read_file_if_exists(process / "cmdline", kMaxCommandLine);
    if (!found || !found->empty()) return found.value_or("");
    std::error_code error;
    if (std::filesystem::read_symlink(process / "exe", error).empty()) return "";
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return "";
}

}  // namespace

OciLauncher::OciLauncher(sys::EventLoop& loop, std::string program, std::filesystem::path root,
                         std::filesystem::path bundles, const sys::CgroupTree& cgroups)
    : loop_(loop),
      program_(std::move(program)),
      root_(std::move(root)),
      bundles_(std::move(bundles)),
      cgroups_(cgroups) {
  sys::make_directory(root_, 0700);
  sys::leave_session_keyring();
}

std::string OciLauncher::next_id(const sys::IdMaps&) {
  constexpr std::size_t kIdBytes = 8;
  return sys::random_hex(kIdBytes);
}

Reservation OciLauncher::reserve(const std::string& id, const Container& container,
                                 RootfsView& view) {
  std::shared_ptr<const RootfsView::Mounted> rootfs = view.use();
  std::filesystem::path path = rootfs->path();
  return {id, container.ids, std::move(path), std::move(rootfs), Bundle(bundles_, id)};
}

std::unique_ptr<Launch> OciLauncher::launch(LaunchOptions options) {
  const Bundle& bundle = options.bundle;
  bundle.write_config(to_oci_spec(options.container));
  sys::SubprocessOptions process;
  process.argv = {program_,
                  "--root",
                  root_.string(),
                  "--log",
                  bundle.log_file().string(),
                  "--log-format",
                  "json",
                  "run",
                  "--detach",
                  "--no-new-keyring",
                  "--pid-file",
                  bundle.pid_file().string(),
                  "--bundle",
                  bundle.path().string(),
                  bundle.id()};
  if (cgroups_.by_systemd()) process.argv.insert(process.argv.begin() + 1, "--systemd-cgroup");
  process.stdout_fd = options.stdout_fd;
  process.stderr_fd = options.stderr_fd;
  process.low_priority = options.low_priority;
  const Container& container = options.container;
  sys::UniqueFd snapshot;
  if (container.snapshot) {
    snapshot = container.snapshot->open();
    // Of its own descriptors from 3 on so many are the container's.
    process.argv.insert(process.argv.end() - 1, {"--preserve-fds", "1"});
    process.fourth_fd = snapshot.get();
  }
  try {
    cgroups_.limit_tcp_buffers(container.id, container.resources.memory_bytes);
    return std::make_unique<OciLaunch>(loop_, program_, bundle, process, std::move(options.done));
  } catch (...) {
    cgroups_.remove(container.id);
    throw;
  }
}

void OciLauncher::sweep(const std::string& id) {
  sys::remove_tree(root_ / id);
}

std::vector<std::string> OciLauncher::list() const {
  return sys::list_directory(root_);
}

void OciLauncher::kill_orphans() const {
  const std::string mark = std::string("\0--root\0", 8) + root_.string() + std::string(1, '\0');
  for (const std::string& name : sys::list_directory("/proc")) {
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    // Opened before the command line is read: what is killed is what was looked at.
    const std::optional<sys::UniqueFd> process = sys::open_pidfd(pid);
    if (!process) continue;
    try {
      if (command_line_of("/proc/" + name).find(mark) != std::string::npos) {
        sys::send_signal(process->get(), SIGKILL);
      }
    } catch (const std::exception&) {
      // It ended while we looked (ESRCH from read), or is not like one of ours.
    }
  }
}

}  // namespace runtime
