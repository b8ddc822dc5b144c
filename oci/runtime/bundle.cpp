#include "oci/runtime/bundle.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/socket.h"

namespace runtime {
namespace {

constexpr const char* kControlSocketName = "control.sock";
constexpr const char* kConfig = "config.json";
constexpr const char* kPidFile = "pid";
constexpr const char* kLogFile = "runtime.log";
constexpr const char* kWaiting = "waiting";
// Zero lets one connection wait (unix(7)): the handler needs no more, a second one is refused.
constexpr int kControlBacklog = 0;
// Any uid inside the container may be the handler; from the host the bundle's mode keeps others
// out.
constexpr mode_t kControlMode = 0666;

// Without a descriptor, of which there may be none: that is how a launch fails, too. What is in a
// bundle is known; should there be more, it is a tree like any other.
void remove_bundle(const std::filesystem::path& path) {
  for (const char* name : {kConfig, kPidFile, kLogFile, kWaiting}) {
    ::unlink((path / name).c_str());
  }
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) sys::remove_tree(path);
}

}  // namespace

Bundle::Bundle(const std::filesystem::path& parent, std::string id,
               const std::filesystem::path& sockets)
    : id_(std::move(id)),
      path_(parent / id_),
      control_socket_(sockets.empty() ? path_ / kControlSocketName : sockets / (id_ + ".sock")) {
  if (::mkdir(path_.c_str(), S_IRWXU) != 0) sys::throw_errno("make bundle " + path_.string());
  try {
    control_listener_ = sys::listen_unix(sys::open_directory(control_socket_.parent_path()).get(),
                                         control_socket_.filename(), kControlMode, kControlBacklog);
  } catch (...) {
    ::unlink(control_socket_.c_str());
    remove_bundle(path_);
    throw;
  }
}

void Bundle::write_config(const nlohmann::json& config) const {
  const sys::UniqueFd file =
      sys::open_file(path_ / kConfig, O_WRONLY | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
  sys::write_all(file.get(), config.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
                 kConfig);
}

void Bundle::mark_waiting(bool waiting) const noexcept {
  const std::filesystem::path mark = path_ / kWaiting;
  if (waiting) {
    const sys::UniqueFd file(::open(mark.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, S_IRUSR));
  } else {
    ::unlink(mark.c_str());
  }
}

bool Bundle::is_waiting(const std::filesystem::path& bundle) {
  return std::filesystem::exists(bundle / kWaiting);
}

std::filesystem::path Bundle::pid_file() const {
  return path_ / kPidFile;
}

std::filesystem::path Bundle::log_file() const {
  return path_ / kLogFile;
}

Bundle::Bundle(Bundle&& other) noexcept
    : id_(std::move(other.id_)),
      path_(std::exchange(other.path_, {})),
      control_socket_(std::move(other.control_socket_)),
      control_listener_(std::move(other.control_listener_)) {}

Bundle::~Bundle() {
  if (path_.empty()) return;
  ::unlink(control_socket_.c_str());
  try {
    remove_bundle(path_);
  } catch (const std::exception&) {
    // The next start of the daemon removes what could not be removed now.
  }
}

}  // namespace runtime
