// The directory of one instance: its `control.sock`, its `config.json`, what a runtime writes (its
// log, the pid). Made when the instance is launched, removed by the destructor with all that is in
// it. Mode 0700: only root reaches the sockets from the host. One thread at a time.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "oci/sys/unique_fd.h"

namespace runtime {

class Bundle {
 public:
  // Makes `<parent>/<id>`, with the listening control socket in it, or in `sockets` if that is
  // where all of them lie. Throws std::system_error and leaves nothing.
  Bundle(const std::filesystem::path& parent, std::string id,
         const std::filesystem::path& sockets = {});
  Bundle(Bundle&& other) noexcept;
  Bundle& operator=(Bundle&&) = delete;
  ~Bundle();

  const std::string& id() const noexcept { return id_; }
  const std::filesystem::path& path() const noexcept { return path_; }
  const std::filesystem::path& control_socket() const noexcept { return control_socket_; }
  std::filesystem::path pid_file() const;
  std::filesystem::path log_file() const;

  // Once. What is no UTF-8 in it is replaced, since JSON has no other way.
  void write_config(const nlohmann::json& config) const;

  // That nobody has been served in it: what a start after a crash has to know. Any number of times.
  void mark_waiting(bool waiting) const noexcept;
  static bool is_waiting(const std::filesystem::path& bundle);

  // The listener behind /control.sock; taken once, by the Handoff.
  sys::UniqueFd take_control_listener() noexcept { return std::move(control_listener_); }

 private:
  std::string id_;
  std::filesystem::path path_;  // empty once moved from
  std::filesystem::path control_socket_;
  sys::UniqueFd control_listener_;
};

}  // namespace runtime
