// Where the daemon is and how we prove who we are: a Unix socket or http://host:port, and perhaps a
// bearer token. A value. Flags win over the environment; FAAS_URL wins over FAAS_SOCKET.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace cli {

struct Endpoint {
  std::string socket_path;  // empty: TCP
  std::string host;         // without the brackets of an IPv6 address
  std::uint16_t port = 0;
  std::string token;  // empty: none

  bool is_unix() const noexcept { return !socket_path.empty(); }
  // What error messages call it: the path or the URL.
  std::string describe() const;
  // The value of the Host header.
  std::string host_header() const;
};

struct EndpointFlags {
  std::optional<std::string> socket;
  std::optional<std::string> url;
  std::optional<std::string> token;
};

// getenv(3) or a test's table: empty for a variable that is not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;
Environment process_environment();

// Throws Failure(usage) for a malformed URL, both --socket and --url, or an unreadable token file.
Endpoint resolve_endpoint(const EndpointFlags& flags, const Environment& environment);

// "http://host:port", "http://[::1]:8080/"; throws Failure(usage) that says what is wrong.
Endpoint parse_url(std::string_view url);

}  // namespace cli
