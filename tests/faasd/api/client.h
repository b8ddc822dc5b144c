// The other side of the API's sockets, byte by byte: what a well-behaved HTTP library would never
// send. For the tests of faasd/api.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "oci/sys/socket.h"
#include "oci/sys/unique_fd.h"

namespace api_test {

// A directory that is removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

sys::UniqueFd connect_tcp(const sys::TcpEndpoint& endpoint);
// Whether somebody listens there; the connection is closed at once.
bool can_connect(const sys::TcpEndpoint& endpoint);
sys::UniqueFd connect_unix(const std::filesystem::path& path);

// False if the other side has closed.
bool send_text(int fd, std::string_view text);
// Everything until the other side closes; fails the test if that takes ten seconds.
std::string receive_all(int fd);
// Until `wanted` has come, and what came with it.
std::string receive_until(int fd, std::string_view wanted);

// Sends, receives until the end.
std::string exchange(int fd, std::string_view request);

int status_of_answer(std::string_view answer);
std::string body_of_answer(std::string_view answer);

std::size_t resident_bytes();

}  // namespace api_test
