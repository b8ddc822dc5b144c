// Whether the addresses of functions, and their port on them, are free. rtnetlink(7), proc(5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "faas-cli/doctor/check.h"
#include "oci/sys/netlink.h"

namespace cli::doctor {

struct Subnet {
  sys::Ipv4 address;
  int bits = 0;

  bool contains(sys::Ipv4 other) const noexcept;
};
// "127.77.0.0/16".
std::optional<Subnet> parse_subnet(std::string_view text);

Check check_subnet(const Host& host);
Check judge_subnet(const Host& host, const std::vector<sys::LoopbackAddress>& addresses);

// Who listens on every address holds the port of every function, too.
Check check_port(const Host& host);
// Whether a line of /proc/net/tcp or tcp6 is a listener on any address and this port.
bool listens_on_any(std::string_view line, std::uint16_t port);

}  // namespace cli::doctor
