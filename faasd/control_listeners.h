// Where the control API listens: the Unix socket (mode 0660, group `faas` if this host has one) and
// perhaps a TCP address. Removes the socket's file at the end.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "oci/sys/log.h"
#include "oci/sys/unique_fd.h"

class ControlListeners {
 public:
  // An empty `listen` means no TCP. Throws sys::Refused(conflict) if another program serves there:
  // "socket_in_use", "port_in_use".
  ControlListeners(std::filesystem::path socket, const std::string& listen);
  ~ControlListeners();
  ControlListeners(const ControlListeners&) = delete;
  ControlListeners& operator=(const ControlListeners&) = delete;

  std::vector<sys::UniqueFd> take() noexcept { return std::move(fds_); }
  // The line that says that all is there, with the port that TCP really has; and to systemd.
  void announce_ready(const sys::Log& log, const std::string& subnet) const;

 private:
  std::filesystem::path socket_;
  std::string tcp_address_;
  std::vector<sys::UniqueFd> fds_;
};
