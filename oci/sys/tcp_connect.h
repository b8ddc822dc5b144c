// A TCP connection of our own to somewhere, with a deadline. connect(2), getaddrinfo(3). Any
// thread.
#pragma once

#include <cstdint>
#include <string>

#include "oci/sys/timed_io.h"
#include "oci/sys/unique_fd.h"

namespace sys {

// A TCP connection to a name or an address, non-blocking and without Nagle's algorithm; the first
// of its addresses that accepts. Throws std::runtime_error that says why none did. Looking up a
// name takes as long as the system's resolver lets it: getaddrinfo(3) knows no deadline.
UniqueFd connect_before(const std::string& host, std::uint16_t port, Deadline deadline);

}  // namespace sys
