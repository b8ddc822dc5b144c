// Who is at the other end of a socket, and which groups a user is in: SO_PEERCRED and SO_PEERGROUPS
// of unix(7), getgrouplist(3). Any thread. Throws std::system_error that names the call.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace sys {

bool is_root() noexcept;  // this process, by its effective uid

enum class SocketFamily { unix_domain, ipv4, other };
SocketFamily socket_family(int fd);

// The process that connected, as it was when it called connect(2).
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  std::vector<gid_t> groups;  // its primary group and the supplementary ones
};
PeerCredentials peer_credentials(int unix_socket);

// Empty if there is no such group on this host.
std::optional<gid_t> group_id(const std::string& name);
// All groups of a user by the host's user database; empty for a uid that it does not know.
std::vector<gid_t> groups_of_user(uid_t uid);

}  // namespace sys
