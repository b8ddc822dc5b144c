#include "faas-cli/endpoint.h"

#include <doctest/doctest.h>

#include <map>

#include "faas-cli/failure.h"

using cli::Endpoint;
using cli::EndpointFlags;

namespace {

cli::Environment table(const std::map<std::string, std::string>& variables) {
  return [variables](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

Endpoint resolve(const EndpointFlags& flags, const std::map<std::string, std::string>& variables) {
  return cli::resolve_endpoint(flags, table(variables));
}

}  // namespace

TEST_CASE("without a word the daemon is at its default socket") {
  const Endpoint endpoint = resolve({}, {});
  CHECK(endpoint.is_unix());
  CHECK(endpoint.describe() == "/run/faasd/faasd.sock");
  CHECK(endpoint.token.empty());
}

TEST_CASE("flags win over the environment, and FAAS_URL over FAAS_SOCKET") {
  const std::map<std::string, std::string> both = {{"FAAS_SOCKET", "/env.sock"},
                                                   {"FAAS_URL", "http://env:1"}};
  CHECK(resolve({}, {{"FAAS_SOCKET", "/env.sock"}}).describe() == "/env.sock");
  CHECK(resolve({}, both).describe() == "http://env:1");
  CHECK(resolve({.socket = "/flag.sock", .url = {}, .token = {}}, both).describe() == "/flag.sock");
  CHECK(resolve({.socket = {}, .url = "http://flag:2", .token = {}}, both).describe() ==
        "http://flag:2");
}

TEST_CASE("a token comes from the flag, else from FAAS_TOKEN") {
  const std::map<std::string, std::string> variables = {{"FAAS_TOKEN", "env"},
                                                        {"FAAS_TOKEN_FILE", "/nonexistent"}};
  CHECK(resolve({.socket = {}, .url = {}, .token = "flag"}, variables).token == "flag");
  CHECK(resolve({}, variables).token == "env");
}

TEST_CASE("a token that could end its header is refused") {
  for (const char* token : {"a\r\nX: 1", "a b", "\x7f", "\xc3\xa9"}) {
    CHECK_THROWS_AS(resolve({.socket = {}, .url = {}, .token = token}, {}), cli::Failure);
  }
}

TEST_CASE("URLs of a daemon are taken apart") {
  struct Row {
    const char* url;
    const char* host;
    int port;
    const char* header;
  };
  const Row rows[] = {
      {"http://127.0.0.1:8080", "127.0.0.1", 8080, "127.0.0.1:8080"},
      {"http://faas.example:9/", "faas.example", 9, "faas.example:9"},
      {"http://localhost", "localhost", 80, "localhost:80"},
      {"http://[::1]:8080", "::1", 8080, "[::1]:8080"},
      {"http://[::1]", "::1", 80, "[::1]:80"},
  };
  for (const Row& row : rows) {
    const Endpoint endpoint = cli::parse_url(row.url);
    CHECK(endpoint.host == row.host);
    CHECK(endpoint.port == row.port);
    CHECK(endpoint.host_header() == row.header);
    CHECK_FALSE(endpoint.is_unix());
  }
}

TEST_CASE("what is no URL of a daemon is a usage error") {
  for (const char* url : {"",
                          "x",
                          "127.0.0.1:8080",
                          "https://a",
                          "ftp://a",
                          "http://",
                          "http://:80",
                          "http://a:",
                          "http://a:0",
                          "http://a:65536",
                          "http://a:-1",
                          "http://a:8x",
                          "http://a/path",
                          "http://u@a",
                          "http://a?b",
                          "http://[::1",
                          "http://[::1]x",
                          "http://a b",
                          "http://a\r\nb",
                          "http://a//"}) {
    CAPTURE(url);
    CHECK_THROWS_AS(cli::parse_url(url), cli::Failure);
  }
}

TEST_CASE("a socket path that the kernel cannot take is a usage error") {
  CHECK_NOTHROW(resolve({.socket = std::string(107, 'x'), .url = {}, .token = {}}, {}));
  CHECK_THROWS_AS(resolve({.socket = std::string(108, 'x'), .url = {}, .token = {}}, {}),
                  cli::Failure);
}
