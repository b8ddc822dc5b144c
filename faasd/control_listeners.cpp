#include "faasd/control_listeners.h"

#include <unistd.h>

#include <optional>

#include "oci/sys/credentials.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/notify.h"
#include "oci/sys/socket.h"

namespace {

constexpr mode_t kSocketMode = 0660;
constexpr int kBacklog = 1'024;  // as many as may come at once, and be served

sys::UniqueFd listen_on_socket(const std::filesystem::path& path) {
  if (sys::someone_listens(path)) {
    throw sys::Refused(
        sys::Refusal::conflict, "socket_in_use",
        "another program serves on " + path.string() + "; stop it, or choose another --socket");
  }
  const sys::UniqueFd directory = sys::open_directory(path.parent_path());
  const std::string name = path.filename().string();
  sys::UniqueFd listener = sys::listen_unix(directory.get(), name, kSocketMode, kBacklog);
  if (const std::optional<gid_t> group = sys::group_id("faas")) {
    sys::give_to_group(directory.get(), name, *group);
  }
  return listener;
}

}  // namespace

ControlListeners::ControlListeners(std::filesystem::path socket, const std::string& listen)
    : socket_(std::move(socket)) {
  // TCP first: if its port is taken, no socket file has been touched yet.
  if (!listen.empty()) {
    fds_.push_back(sys::listen_tcp(sys::parse_endpoint(listen), kBacklog));
    tcp_address_ = sys::local_endpoint(fds_.back().get()).to_string();
  }
  fds_.push_back(listen_on_socket(socket_));
}

ControlListeners::~ControlListeners() {
  ::unlink(socket_.c_str());
}

void ControlListeners::announce_ready(const sys::Log& log, const std::string& subnet) const {
  log.announce("ready",
               {{"socket", socket_.string()}, {"listen", tcp_address_}, {"subnet", subnet}});
  sys::notify_service_manager("READY=1");
}
