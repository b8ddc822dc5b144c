// IPv4 addresses on the loopback interface over rtnetlink(7), and the owner of a loopback TCP
// socket over sock_diag(7); no `ip` or `ss` command. Each call opens and closes its own socket. Any
// thread. Throws std::system_error that names the address.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sys {

struct Ipv4 {
  std::uint32_t bits = 0;  // host byte order

  std::string to_string() const;
  bool operator==(const Ipv4&) const = default;
  bool operator<(const Ipv4& other) const noexcept { return bits < other.bits; }
  bool operator<=(const Ipv4& other) const noexcept { return bits <= other.bits; }
};

// Dotted quad; empty for anything else.
std::optional<Ipv4> parse_ipv4(std::string_view text);

struct LoopbackAddress {
  Ipv4 address;
  std::string label;
};

// Adds address/32 to `lo` with that label ("lo:faas"). False if the address is already there,
// whoever put it there.
bool add_loopback_address(Ipv4 address, const std::string& label);
// For one of very many: `present` are those of all interfaces, from a moment ago, so that they are
// not listed again for each.
bool add_loopback_address(Ipv4 address, const std::string& label, const std::set<Ipv4>& present);
// False if it was not there.
bool remove_loopback_address(Ipv4 address);
// All addresses of all interfaces, with their labels.
std::vector<LoopbackAddress> list_addresses();
std::set<Ipv4> present_addresses();
// Brings `lo` up, as a fresh network namespace needs; nothing if it is up.
void bring_up_loopback();

// The uid that owns the TCP socket with this local and this remote end, in our network namespace.
// Empty if there is none (for example because it was closed).
std::optional<uid_t> tcp_socket_owner(Ipv4 local, std::uint16_t local_port, Ipv4 remote,
                                      std::uint16_t remote_port);

}  // namespace sys
