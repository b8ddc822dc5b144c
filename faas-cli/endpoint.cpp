#include "faas-cli/endpoint.h"

#include <charconv>
#include <cstdlib>
#include <exception>

#include "faas-cli/failure.h"
#include "oci/sys/file.h"

namespace cli {
namespace {

constexpr const char* kDefaultSocket = "/run/faasd/faasd.sock";
// sun_path of unix(7) holds 108 bytes, the last of them zero.
constexpr std::size_t kSocketPathBytesMax = 107;
// A token is one line; longer than this is the wrong file.
constexpr std::size_t kTokenBytesMax = 4096;
constexpr std::uint16_t kHttpPort = 80;

// What goes into a header must not be able to end it.
bool is_header_safe(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f) return false;
  }
  return true;
}

std::string read_token_file(const std::string& path) {
  std::string text;
  try {
    text = sys::read_file(path, kTokenBytesMax);
  } catch (const std::exception& error) {
    throw_usage("FAAS_TOKEN_FILE: " + std::string(error.what()));
  }
  const std::size_t end = text.find_last_not_of(" \t\r\n");
  text.resize(end == std::string::npos ? 0 : end + 1);
  if (text.empty()) throw_usage("FAAS_TOKEN_FILE: " + path + " is empty");
  return text;
}

std::string resolve_token(const EndpointFlags& flags, const Environment& environment) {
  std::string token;
  if (flags.token) {
    token = *flags.token;
  } else if (const auto value = environment("FAAS_TOKEN")) {
    token = *value;
  } else if (const auto path = environment("FAAS_TOKEN_FILE")) {
    token = read_token_file(*path);
  }
  if (!is_header_safe(token)) {
    throw_usage("the token has a space or another character no token has");
  }
  return token;
}

Endpoint unix_endpoint(const std::string& path) {
  if (path.empty()) throw_usage("--socket: the path is empty");
  if (path.size() > kSocketPathBytesMax) {
    throw_usage("--socket: " + path +
                " is longer than the 107 bytes a Unix socket's path may have");
  }
  Endpoint endpoint;
  endpoint.socket_path = path;
  return endpoint;
}

Endpoint locate(const EndpointFlags& flags, const Environment& environment) {
  if (flags.socket && flags.url) {
    throw_usage("--socket and --url name two daemons: give one of them");
  }
  if (flags.url) return parse_url(*flags.url);
  if (flags.socket) return unix_endpoint(*flags.socket);
  if (const auto url = environment("FAAS_URL")) return parse_url(*url);
  return unix_endpoint(environment("FAAS_SOCKET").value_or(kDefaultSocket));
}

}  // namespace

std::string Endpoint::describe() const {
  return is_unix() ? socket_path : "http://" + host_header();
}

std::string Endpoint::host_header() const {
  if (is_unix()) return "localhost";
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Environment process_environment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    // A variable set to nothing is the usual way to unset it for one command.
    if (value == nullptr || *value == '\0') return std::nullopt;
    return std::string(value);
  };
}

Endpoint parse_url(std::string_view url) {
  const std::string shown = "'" + std::string(url) + "'";
  constexpr std::string_view kScheme = "http://";
  if (url.starts_with("https://")) {
    throw_usage(shown + ": faasd speaks plain HTTP; reach a distant one through an SSH tunnel");
  }
  if (!url.starts_with(kScheme)) {
    throw_usage(shown + " is no URL of a daemon; write http://HOST:PORT");
  }
  std::string_view rest = url.substr(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);

  Endpoint endpoint;
  endpoint.port = kHttpPort;
  if (rest.starts_with('[')) {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) {
      throw_usage(shown + ": the ']' of the IPv6 address is missing");
    }
    endpoint.host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
  } else {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    endpoint.host = rest.substr(0, end);
    rest.remove_prefix(end);
  }
  if (rest.starts_with(':')) {
    const std::string_view digits = rest.substr(1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), endpoint.port);
    if (error != std::errc() || end != digits.data() + digits.size() || endpoint.port == 0) {
      throw_usage(shown + ": the port must be a number from 1 to 65535");
    }
  } else if (!rest.empty()) {
    throw_usage(shown + " is no URL of a daemon; write http://HOST:PORT");
  }
  const bool clean = endpoint.host.find_first_of("/?#@") == std::string::npos;
  if (endpoint.host.empty() || !clean || !is_header_safe(endpoint.host)) {
    throw_usage(shown + " is no URL of a daemon; write http://HOST:PORT");
  }
  return endpoint;
}

Endpoint resolve_endpoint(const EndpointFlags& flags, const Environment& environment) {
  Endpoint endpoint = locate(flags, environment);
  endpoint.token = resolve_token(flags, environment);
  return endpoint;
}

}  // namespace cli
