// User namespaces: who the users and groups of a container are on the host. Source:
// user_namespaces(7). Throws std::system_error that names the call. Any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "oci/sys/unique_fd.h"

namespace sys {

// `count` ids from `inside` on stand for as many of the host from `host` on.
struct IdRange {
  std::uint32_t inside = 0;
  std::uint32_t host = 0;
  std::uint32_t count = 0;
};

// At most 340 ranges each, the kernel's limit.
struct IdMaps {
  std::vector<IdRange> users;
  std::vector<IdRange> groups;
};

// A user namespace with these maps, in which no process is: it is there for what refers to it, as
// an idmapped mount does. `proc` is /proc, for who cannot see it by that name.
UniqueFd make_user_namespace(const IdMaps& maps, int proc);
UniqueFd make_user_namespace(const IdMaps& maps);

}  // namespace sys
