#include "faasd/api/attest.h"

#include <doctest/doctest.h>
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "client.h"
#include "oci/sys/credentials.h"
#include "oci/sys/error.h"

namespace fs = std::filesystem;
using api::Peer;
using api::Transport;

namespace {

constexpr uid_t kNobody = 65534;
constexpr sys::Ipv4 kLoopback{0x7f000001};
const std::string kToken = "0123456789abcdef0123456789abcdef";
// A group that every host has and that `nobody` and our test uid are not in.
const std::string kGroup = "daemon";

api::RequestHead head_with(std::vector<std::pair<std::string, std::string>> headers) {
  api::RequestHead head;
  head.method = "GET";
  head.target = "/v1/functions";
  head.headers = std::move(headers);
  return head;
}

// Who is admitted, or the status of the refusal.
std::string verdict(const api::Attestor& attestor, const Peer& peer,
                    std::vector<std::pair<std::string, std::string>> headers = {}) {
  try {
    return attestor.admit(peer, head_with(std::move(headers)));
  } catch (const api::HttpError& error) {
    return std::to_string(error.status());
  }
}

const Peer kRootUnix{Transport::unix_socket, 0, {0}, "unix"};
const Peer kNobodyUnix{Transport::unix_socket, kNobody, {kNobody}, "unix"};
const Peer kRootTcp{Transport::loopback_tcp, 0, {}, "127.0.0.1:1"};
const Peer kNobodyTcp{Transport::loopback_tcp, kNobody, {}, "127.0.0.1:1"};
const Peer kGoneTcp{Transport::loopback_tcp, std::nullopt, {}, "127.0.0.1:1"};
const Peer kRemote{Transport::remote_tcp, std::nullopt, {}, "10.0.0.9:1"};

fs::path token_file(const fs::path& directory, const std::string& text, fs::perms mode) {
  fs::path path = directory / "token";
  fs::remove_all(path);
  std::ofstream(path) << text;
  fs::permissions(path, mode);
  return path;
}

constexpr fs::perms kOwnerOnly = fs::perms::owner_read | fs::perms::owner_write;

}  // namespace

TEST_CASE("without a token, root is admitted and everybody else is forbidden") {
  const api::Attestor attestor(std::nullopt, kGroup);
  CHECK(verdict(attestor, kRootUnix) == "uid:0");
  CHECK(verdict(attestor, kRootTcp) == "uid:0");
  for (const Peer& peer : {kNobodyUnix, kNobodyTcp, kGoneTcp, kRemote}) {
    CHECK(verdict(attestor, peer) == "403");
    CHECK(verdict(attestor, peer, {{"authorization", "Bearer "}}) == "403");
    CHECK(verdict(attestor, peer, {{"authorization", "Bearer " + kToken}}) == "403");
  }
}

TEST_CASE("with a token, root needs none and everybody else needs the right one") {
  const api::Attestor attestor(kToken, kGroup);
  CHECK(verdict(attestor, kRootUnix) == "uid:0");
  CHECK(verdict(attestor, kRootTcp) == "uid:0");
  for (const Peer& peer : {kNobodyUnix, kNobodyTcp, kGoneTcp, kRemote}) {
    CHECK(verdict(attestor, peer) == "401");
    CHECK(verdict(attestor, peer, {{"authorization", "Bearer " + kToken}}) == "token");
    CHECK(verdict(attestor, peer, {{"authorization", "bEARER  " + kToken}}) == "token");
  }
}

TEST_CASE("a wrong token is refused, whoever presents it") {
  const api::Attestor attestor(kToken, kGroup);
  const std::string scheme = "Bearer ";
  std::vector<std::string> values = {"", "Bearer", scheme, kToken};
  for (const std::string& token : {kToken + "0", kToken.substr(1), kToken + " ", kToken + kToken}) {
    values.push_back(scheme + token);
  }
  values.push_back("Basic " + kToken);
  values.emplace_back("Bearer 0123456789abcdef0123456789abcdeF");
  for (const std::string& value : values) {
    CAPTURE(value);
    for (const Peer& peer : {kRootUnix, kRootTcp, kNobodyTcp, kRemote}) {
      CHECK(verdict(attestor, peer, {{"authorization", value}}) == "401");
    }
  }
}

TEST_CASE("two Authorization headers are refused") {
  const api::Attestor attestor(kToken, kGroup);
  const std::string value = "Bearer " + kToken;
  CHECK(verdict(attestor, kRemote, {{"authorization", value}, {"authorization", value}}) == "400");
}

TEST_CASE("members of the group are admitted, by the process for Unix and by the user for TCP") {
  const std::optional<gid_t> group = sys::group_id(kGroup);
  REQUIRE(group.has_value());
  const api::Attestor attestor(std::nullopt, kGroup);
  Peer member = kNobodyUnix;
  member.groups.push_back(*group);
  CHECK(verdict(attestor, member) == "uid:65534");
  // The user `daemon`, uid 1, has the group as its primary one.
  CHECK(verdict(attestor, {Transport::loopback_tcp, 1, {}, ""}) == "uid:1");
  CHECK(verdict(attestor, {Transport::loopback_tcp, 4'000'000'000, {}, ""}) == "403");
  const api::Attestor no_such_group(std::nullopt, "no-such-group");
  CHECK(verdict(no_such_group, member) == "403");
}

TEST_CASE("what a web page sends over loopback is refused unless it has the token") {
  const api::Attestor attestor(kToken, kGroup);
  const std::vector<std::vector<std::pair<std::string, std::string>>> pages = {
      {{"origin", "https://evil.example"}},  {{"origin", "null"}},
      {{"origin", "http://127.0.0.1:8080"}}, {{"sec-fetch-site", "cross-site"}},
      {{"sec-fetch-site", "same-site"}},     {{"host", "evil.example"}},
      {{"host", "evil.example:8080"}},       {{"host", "127.0.0.1.evil.example"}},
      {{"host", "127.0.0.1.:8080"}},         {{"host", "[evil.example"}},
  };
  for (auto headers : pages) {
    CAPTURE(headers.front().second);
    CHECK(verdict(attestor, kRootTcp, headers) == "403");
    CHECK(verdict(attestor, kRootUnix, headers) == "uid:0");  // pages cannot reach a Unix socket
    headers.emplace_back("authorization", "Bearer " + kToken);
    CHECK(verdict(attestor, kRootTcp, headers) == "token");
  }
}

TEST_CASE("Hosts that no attacker can own are taken") {
  const api::Attestor attestor(std::nullopt, kGroup);
  for (const char* host : {"127.0.0.1", "127.0.0.1:8080", "localhost", "localhost:8080",
                           "[::1]:8080", "faasd:8080", "10.0.0.1"}) {
    CAPTURE(host);
    CHECK(verdict(attestor, kRootTcp, {{"host", host}}) == "uid:0");
  }
  CHECK(verdict(attestor, kRootTcp, {{"sec-fetch-site", "none"}}) == "uid:0");
}

TEST_CASE("A2: secrets are equal only as a whole") {
  CHECK(api::equal_secrets(kToken, kToken));
  CHECK_FALSE(api::equal_secrets("", kToken));
  CHECK_FALSE(api::equal_secrets(kToken, ""));
  CHECK_FALSE(api::equal_secrets("", ""));
  CHECK_FALSE(api::equal_secrets(kToken + kToken, kToken));
  CHECK_FALSE(api::equal_secrets(kToken.substr(1), kToken));
}

TEST_CASE("a token file is read and trimmed") {
  const api_test::TemporaryDirectory directory;
  CHECK(api::load_token(token_file(directory.path(), " " + kToken + "\r\n\n", kOwnerOnly)) ==
        kToken);
  CHECK(api::load_token(token_file(directory.path(), kToken, kOwnerOnly | fs::perms::group_read)) ==
        kToken);
}

TEST_CASE("a token file that is no secret is refused") {
  const api_test::TemporaryDirectory directory;
  const auto refused = [&](const std::string& text, fs::perms mode) {
    CHECK_THROWS_AS(api::load_token(token_file(directory.path(), text, mode)), sys::Refused);
  };
  refused(kToken, kOwnerOnly | fs::perms::others_read);
  refused(kToken, kOwnerOnly | fs::perms::others_write);
  refused(kToken, kOwnerOnly | fs::perms::group_write);
  refused("", kOwnerOnly);
  refused("\n\n", kOwnerOnly);
  refused("short", kOwnerOnly);
  refused("two words are no token at all", kOwnerOnly);
  refused("0123456789abcdef\xc3\xa4", kOwnerOnly);
  refused(std::string(5000, 'x'), kOwnerOnly);
  CHECK_THROWS_AS(api::load_token(directory.path()), sys::Refused);
  CHECK_THROWS(api::load_token(directory.path() / "absent"));
}

TEST_CASE("a Unix peer is known by its process") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const sys::UniqueFd one(ends[0]);
  const sys::UniqueFd other(ends[1]);
  const Peer peer = api::identify_peer(one.get());
  CHECK(peer.transport == Transport::unix_socket);
  CHECK(peer.uid == ::geteuid());
  CHECK(std::find(peer.groups.begin(), peer.groups.end(), ::getegid()) != peer.groups.end());
}

TEST_CASE("a loopback peer is known by the uid of its socket, and not at all once that is closed") {
  const sys::UniqueFd listener = sys::listen_tcp({kLoopback, 0}, 4);
  const auto connect_as = [&](uid_t uid) {
    ::setfsuid(uid);
    sys::UniqueFd fd = api_test::connect_tcp(sys::local_endpoint(listener.get()));
    ::setfsuid(::geteuid());
    return fd;
  };
  if (::geteuid() == 0) {
    const sys::UniqueFd client = connect_as(kNobody);
    const sys::UniqueFd accepted = sys::accept_connection(listener.get()).fd;
    CHECK(api::identify_peer(accepted.get()).uid == kNobody);
  } else {
    MESSAGE("partly skipped: needs root to connect as another user");
  }
  sys::UniqueFd client = connect_as(::geteuid());
  const sys::UniqueFd accepted = sys::accept_connection(listener.get()).fd;
  const Peer peer = api::identify_peer(accepted.get());
  CHECK(peer.transport == Transport::loopback_tcp);
  CHECK(peer.uid == ::geteuid());
  CHECK(peer.address == sys::local_endpoint(client.get()).to_string());
  client.reset();
  CHECK_FALSE(api::identify_peer(accepted.get()).uid.has_value());
}
