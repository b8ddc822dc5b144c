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

constexpr const char* kControlSocket = "control.sock";
constexpr const char* kConfig = "config.json";
constexpr const char* kPidFile = "pid";
constexpr const char* kLogFile = "runtime.log";
// Zero lets one connection wait (unix(7)): the handler needs no more, a second one is refused.
constexpr int kControlBacklog = 0;
// Any uid inside the container may be the handler; from the host the bundle's mode keeps others
// out.
constexpr mode_t kControlMode = 0666;

// Without a descriptor, of which there may be none: that is how a launch fails, too. What is in a
// bundle is known; should there be more, it is a tree like any other.
void remove_bundle(const std::filesystem::path& path) {
  for (const char* name : {kControlSocket, kConfig, kPidFile, kLogFile}) {
    ::unlink((path / name).c_str());
  }
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) sys::remove_tree(path);
}

}  // namespace

Bundle::Bundle(const std::filesystem::path& parent, Container container)
    : id_(container.id), path_(parent / container.id) {
  if (::mkdir(path_.c_str(), S_IRWXU) != 0) sys::throw_errno("make bundle " + path_.string());
  try {
    control_listener_ = sys::listen_unix(sys::open_directory(path_).get(), kControlSocket,
                                         kControlMode, kControlBacklog);
    container.control_socket = path_ / kControlSocket;
    const sys::UniqueFd config =
        sys::open_file(path_ / kConfig, O_WRONLY | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
    // An image may hold bytes that are no UTF-8 in its Env: replaced, since JSON has no other way.
    sys::write_all(
        config.get(),
        to_oci_spec(container).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
        kConfig);
  } catch (...) {
    remove_bundle(path_);
    throw;
  }
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
      control_listener_(std::move(other.control_listener_)) {}

Bundle::~Bundle() {
  if (path_.empty()) return;
  try {
    remove_bundle(path_);
  } catch (const std::exception&) {
    // The next start of the daemon removes what could not be removed now.
  }
}

}  // namespace runtime
