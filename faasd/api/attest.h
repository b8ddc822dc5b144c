// Who calls, and whether they may. The kernel attests callers on this host: SO_PEERCRED for the
// Unix socket, sock_diag for loopback TCP. root and the members of one group need no token;
// everybody else, and every peer that is not on this host, needs the bearer token. Any thread.
//
// Loopback TCP is open to every browser on this host, which speaks for whatever page it shows:
//  - a page of another origin can send requests (CSRF): those carry Origin or Sec-Fetch-Site;
//  - a name of the attacker's that suddenly resolves to 127.0.0.1 makes the page same-origin (DNS
//    rebinding): then Host carries that name, which has a dot in it and is no IP address.
// Both are refused to callers that only the kernel vouches for. A page cannot know the token.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "faasd/api/http_framing.h"

namespace api {

enum class Transport { unix_socket, loopback_tcp, remote_tcp };

struct Peer {
  Transport transport = Transport::remote_tcp;
  std::optional<uid_t> uid;   // empty: the kernel does not say, or no longer
  std::vector<gid_t> groups;  // of the peer process; Unix sockets only
  std::string address;        // for the log: "unix", "127.0.0.1:40312"
};

// Ask right after accept, before a byte is read: the shorter the time, the fewer callers are gone.
Peer identify_peer(int fd);

// The file's only word. Throws sys::Refused for a file that others may read or write, that is no
// regular file, or whose token is shorter than 16 characters or not plain visible ASCII.
std::string load_token(const std::filesystem::path& path);

// In time that depends on the length of `presented` alone.
bool equal_secrets(std::string_view presented, std::string_view secret) noexcept;

class Attestor {
 public:
  Attestor(std::optional<std::string> token, std::string group);

  // Who calls, in words for the audit log: "uid:1000", "token". Throws HttpError: 401 if a token
  // could help, 403 if not.
  std::string admit(const Peer& peer, const RequestHead& head) const;

 private:
  bool is_member(const Peer& peer) const;

  std::optional<std::string> token_;
  std::string group_;
};

}  // namespace api
