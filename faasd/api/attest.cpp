#include "faasd/api/attest.h"

#include <fcntl.h>

#include <algorithm>

#include "oci/sys/credentials.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/netlink.h"
#include "oci/sys/socket.h"

namespace api {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxTokenFile = 4096;
// 16 characters of base64 are 96 bits: not to be guessed at any rate of requests.
constexpr std::size_t kMinToken = 16;
constexpr uid_t kRoot = 0;

bool is_loopback(sys::Ipv4 address) {
  return address.bits >> 24 == 127;
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

// Without the port: "localhost:8080", "[::1]:8080", "127.0.0.1".
std::string_view host_name(std::string_view host) {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    return end == std::string_view::npos ? host : host.substr(0, end + 1);
  }
  return host.substr(0, host.find(':'));
}

// A name that an attacker cannot own: an IP address, or a name without a dot, which public DNS does
// not have.
bool is_local_name(std::string_view host) {
  const std::string_view name = host_name(host);
  if (name.starts_with('[')) return name.ends_with(']');
  return name.find('.') == std::string_view::npos || sys::parse_ipv4(name).has_value();
}

void refuse_browsers(const RequestHead& head) {
  const std::string_view site = head.header("sec-fetch-site").value_or("none");
  if (head.header("origin") || !is_one_of(site, {"none", "same-origin"})) {
    throw HttpError(403, "browser_refused",
                    "requests from web pages are refused; give the bearer token to make them");
  }
  const std::string_view host = head.header("host").value_or("localhost");
  if (!is_local_name(host)) {
    throw HttpError(403, "host_refused",
                    "the Host '" + std::string(host) +
                        "' is neither an IP address nor localhost; use one of these, or the "
                        "bearer token");
  }
}

std::optional<std::string_view> bearer_token(const RequestHead& head) {
  const std::optional<std::string_view> value = head.header("authorization");
  if (!value) return std::nullopt;
  constexpr std::string_view kScheme = "bearer ";
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
  if (value->size() < kScheme.size() ||
      !std::equal(kScheme.begin(), kScheme.end(), value->begin(),
                  [&](char wanted, char c) { return same(c, wanted); })) {
    return std::string_view();  // credentials of another kind are wrong ones
  }
  std::string_view token = value->substr(kScheme.size());
  while (token.starts_with(' ')) token.remove_prefix(1);
  return token;
}

}  // namespace

Peer identify_peer(int fd) {
  switch (sys::socket_family(fd)) {
    case sys::SocketFamily::unix_domain: {
      sys::PeerCredentials credentials = sys::peer_credentials(fd);
      return {Transport::unix_socket, credentials.uid, std::move(credentials.groups), "unix"};
    }
    case sys::SocketFamily::ipv4: {
      const sys::TcpEndpoint peer = sys::peer_endpoint(fd);
      const sys::TcpEndpoint local = sys::local_endpoint(fd);
      if (!is_loopback(peer.address) || !is_loopback(local.address)) {
        return {Transport::remote_tcp, std::nullopt, {}, peer.to_string()};
      }
      // The peer's socket seen from its side: its local end is our remote one.
      return {Transport::loopback_tcp,
              sys::tcp_socket_owner(peer.address, peer.port, local.address, local.port),
              {},
              peer.to_string()};
    }
    case sys::SocketFamily::other:
      break;
  }
  return {Transport::remote_tcp, std::nullopt, {}, "tcp"};
}

std::string load_token(const fs::path& path) {
  // O_NONBLOCK: opening a fifo must not hang the start.
  const sys::UniqueFd fd = sys::open_file(path, O_RDONLY | O_NONBLOCK);
  // By the descriptor, not by the path again: it is the file that is read below.
  const fs::file_status status = fs::status("/proc/self/fd/" + std::to_string(fd.get()));
  const auto refuse = [&](const std::string& why) -> void {
    throw sys::Refused(sys::Refusal::invalid, "bad_token_file",
                       "the token file " + path.string() + " " + why);
  };
  if (!fs::is_regular_file(status)) refuse("is no regular file");
  constexpr fs::perms kTooOpen =
      fs::perms::others_read | fs::perms::others_write | fs::perms::group_write;
  if ((status.permissions() & kTooOpen) != fs::perms::none) {
    refuse("may be read or written by others; chmod 600 it");
  }
  std::string token = sys::read_fd(fd.get(), kMaxTokenFile, path.string());
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!token.empty() && is_space(token.back())) token.pop_back();
  token.erase(token.begin(), std::find_if_not(token.begin(), token.end(), is_space));
  if (token.size() < kMinToken) {
    refuse("holds fewer than 16 characters; write a random one: openssl rand -hex 32");
  }
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; })) {
    refuse("holds more than one word of visible ASCII characters");
  }
  return token;
}

bool equal_secrets(std::string_view presented, std::string_view secret) noexcept {
  if (secret.empty()) return false;
  // volatile: the compiler must not leave the loop early.
  volatile unsigned char difference = presented.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < presented.size(); ++i) {
    difference = static_cast<unsigned char>(
        difference | static_cast<unsigned char>(presented[i] ^ secret[i % secret.size()]));
  }
  return difference == 0;
}

Attestor::Attestor(std::optional<std::string> token, std::string group)
    : token_(std::move(token)), group_(std::move(group)) {}

bool Attestor::is_member(const Peer& peer) const {
  const std::optional<gid_t> wanted = sys::group_id(group_);
  if (!wanted) return false;
  // A Unix peer's groups are those of the process itself; for TCP the kernel tells only the uid.
  const std::vector<gid_t> groups =
      peer.transport == Transport::unix_socket ? peer.groups : sys::groups_of_user(*peer.uid);
  return std::find(groups.begin(), groups.end(), *wanted) != groups.end();
}

std::string Attestor::admit(const Peer& peer, const RequestHead& head) const {
  if (token_) {
    const std::optional<std::string_view> presented = bearer_token(head);
    if (presented && equal_secrets(*presented, *token_)) return "token";
    // A wrong token is never overlooked, whoever presents it: it may have come through a proxy.
    if (presented) throw HttpError(401, "wrong_token", "the bearer token is wrong");
  }
  if (peer.transport != Transport::remote_tcp && peer.uid) {
    if (*peer.uid == kRoot || is_member(peer)) {
      if (peer.transport == Transport::loopback_tcp) refuse_browsers(head);
      return "uid:" + std::to_string(*peer.uid);
    }
  }
  if (token_) {
    throw HttpError(401, "token_needed",
                    "this caller needs the bearer token: Authorization: Bearer TOKEN");
  }
  const std::string who = peer.uid ? "uid " + std::to_string(*peer.uid) : "this caller";
  throw HttpError(403, "forbidden",
                  who + " may not use the control API; run as root or join the group " + group_);
}

}  // namespace api
