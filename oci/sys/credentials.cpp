#include "oci/sys/credentials.h"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "oci/sys/error.h"

namespace sys {
namespace {

// An entry of passwd or group: larger ones (a group with thousands of members) are tried again with
// twice the room up to the second bound.
constexpr std::size_t kEntryBytes = 4096;
constexpr std::size_t kMaxEntryBytes = 1 << 20;
constexpr int kMaxGroups = 65536;  // NGROUPS_MAX

// Calls a reentrant lookup (getpwuid_r and its like) with as much room as it needs.
template <typename Entry, typename Lookup>
bool look_up(Entry& entry, std::vector<char>& room, const std::string& what, Lookup lookup) {
  for (room.resize(kEntryBytes); room.size() <= kMaxEntryBytes; room.resize(room.size() * 2)) {
    Entry* found = nullptr;
    const int error = lookup(&entry, room.data(), room.size(), &found);
    if (error == EINTR || error == ERANGE) continue;
    // "Not found" has many spellings: getpwnam_r(3), RETURN VALUE.
    if (error != 0 && error != ENOENT && error != ESRCH && error != EBADF && error != EPERM) {
      throw_errno(error, what);
    }
    return found != nullptr;
  }
  throw_errno(ERANGE, what);
}

}  // namespace

bool is_root() noexcept {
  return ::geteuid() == 0;
}

SocketFamily socket_family(int fd) {
  int domain = 0;
  socklen_t size = sizeof domain;
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) {
    throw_errno("getsockopt SO_DOMAIN");
  }
  if (domain == AF_UNIX) return SocketFamily::unix_domain;
  return domain == AF_INET ? SocketFamily::ipv4 : SocketFamily::other;
}

PeerCredentials peer_credentials(int unix_socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(unix_socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    throw_errno("getsockopt SO_PEERCRED");
  }
  PeerCredentials peer{credentials.pid, credentials.uid, std::vector<gid_t>(64)};
  // ERANGE comes with the size that is needed.
  for (;;) {
    size = static_cast<socklen_t>(peer.groups.size() * sizeof(gid_t));
    if (::getsockopt(unix_socket, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &size) == 0) break;
    if (errno != ERANGE) throw_errno("getsockopt SO_PEERGROUPS");
    peer.groups.resize(size / sizeof(gid_t));
  }
  peer.groups.resize(size / sizeof(gid_t));
  peer.groups.push_back(credentials.gid);
  return peer;
}

std::optional<gid_t> group_id(const std::string& name) {
  group entry{};
  std::vector<char> room;
  const bool found = look_up(entry, room, "look up group " + name,
                             [&](group* to, char* buffer, std::size_t size, group** result) {
                               return ::getgrnam_r(name.c_str(), to, buffer, size, result);
                             });
  if (!found) return std::nullopt;
  return entry.gr_gid;
}

std::vector<gid_t> groups_of_user(uid_t uid) {
  passwd entry{};
  std::vector<char> room;
  const bool found = look_up(entry, room, "look up uid " + std::to_string(uid),
                             [&](passwd* to, char* buffer, std::size_t size, passwd** result) {
                               return ::getpwuid_r(uid, to, buffer, size, result);
                             });
  if (!found) return {};
  std::vector<gid_t> groups(64);
  for (;;) {
    int count = static_cast<int>(groups.size());
    const bool enough = ::getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count) >= 0;
    if (!enough && static_cast<std::size_t>(count) <= groups.size()) count *= 2;
    if (count > kMaxGroups) throw_errno(ERANGE, std::string("list the groups of ") + entry.pw_name);
    groups.resize(static_cast<std::size_t>(count));
    if (enough) return groups;
  }
}

}  // namespace sys
