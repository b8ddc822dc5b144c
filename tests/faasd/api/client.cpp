#include "client.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>

namespace api_test {
namespace {

constexpr int kPatienceMs = 10'000;

// One piece, empty at the end. A reset counts as the end: the tests look at what came before it.
std::string receive_piece(int fd) {
  pollfd poll_fd{fd, POLLIN, 0};
  REQUIRE_MESSAGE(::poll(&poll_fd, 1, kPatienceMs) == 1, "the server neither answers nor closes");
  std::array<char, 65536> buffer;
  const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
  return {buffer.data(), static_cast<std::size_t>(n < 0 ? 0 : n)};
}

sys::UniqueFd try_connect(const sys::TcpEndpoint& endpoint) {
  sys::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  address.sin_addr.s_addr = htonl(endpoint.address.bits);
  const bool connected =
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  return connected ? std::move(fd) : sys::UniqueFd();
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "faasd-api-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::filesystem::remove_all(path_);
}

sys::UniqueFd connect_tcp(const sys::TcpEndpoint& endpoint) {
  sys::UniqueFd fd = try_connect(endpoint);
  REQUIRE(fd);
  return fd;
}

bool can_connect(const sys::TcpEndpoint& endpoint) {
  return static_cast<bool>(try_connect(endpoint));
}

sys::UniqueFd connect_unix(const std::filesystem::path& path) {
  sys::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

bool send_text(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::string receive_all(int fd) {
  std::string all;
  for (std::string piece = receive_piece(fd); !piece.empty(); piece = receive_piece(fd)) {
    all += piece;
  }
  return all;
}

std::string receive_until(int fd, std::string_view wanted) {
  std::string all;
  while (all.find(wanted) == std::string::npos) {
    const std::string piece = receive_piece(fd);
    if (piece.empty()) break;
    all += piece;
  }
  return all;
}

std::string exchange(int fd, std::string_view request) {
  send_text(fd, request);
  return receive_all(fd);
}

int status_of_answer(std::string_view answer) {
  if (!answer.starts_with("HTTP/1.1 ") || answer.size() < 12) return 0;
  return std::stoi(std::string(answer.substr(9, 3)));
}

std::string body_of_answer(std::string_view answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string_view::npos ? std::string() : std::string(answer.substr(end + 4));
}

std::size_t resident_bytes() {
  std::size_t total = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace api_test
