#include "faas-cli/doctor/network.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "faas-cli/doctor/probe.h"

namespace cli::doctor {
namespace {

// What faasd labels its own addresses with.
constexpr std::string_view kOwnLabel = "lo:faas";

bool has_listener(const Host& host, const char* file, std::uint16_t port) {
  for (const std::string& line : split_lines(read_text(host, file).value_or(""))) {
    if (listens_on_any(line, port)) return true;
  }
  return false;
}

}  // namespace

bool Subnet::contains(sys::Ipv4 other) const noexcept {
  const std::uint32_t mask = bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits);
  return (address.bits & mask) == (other.bits & mask);
}

std::optional<Subnet> parse_subnet(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = sys::parse_ipv4(text.substr(0, slash));
  const std::string_view digits = text.substr(slash + 1);
  int bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  if (!address || !whole || bits < 0 || bits > 32) return std::nullopt;
  return Subnet{*address, bits};
}

Check judge_subnet(const Host& host, const std::vector<sys::LoopbackAddress>& addresses) {
  const auto subnet = parse_subnet(host.subnet);
  if (!subnet) {
    return {"subnet", Outcome::fail, "'" + host.subnet + "' is no subnet",
            "write it as 127.77.0.0/16"};
  }
  std::size_t own = 0;
  for (const sys::LoopbackAddress& entry : addresses) {
    if (!subnet->contains(entry.address)) continue;
    if (entry.label == kOwnLabel) {
      ++own;
      continue;
    }
    return {"subnet", Outcome::fail,
            host.subnet + " has the address " + entry.address.to_string() + " (" + entry.label +
                "), which is not faasd's",
            "start faasd with another --subnet, or remove that address"};
  }
  return {"subnet", Outcome::ok,
          host.subnet + " is free" +
              (own == 0 ? "" : ", but for " + std::to_string(own) + " addresses of faasd"),
          ""};
}

Check check_subnet(const Host& host) {
  return judge_subnet(host, sys::list_addresses());
}

bool listens_on_any(std::string_view line, std::uint16_t port) {
  // "  0: 00000000:0050 00000000:0000 0A …": slot, local, remote, state; 0A is TCP_LISTEN.
  const std::vector<std::string> words = split_words(line);
  if (words.size() < 4 || words[3] != "0A") return false;
  const std::size_t colon = words[1].find(':');
  if (colon == std::string::npos) return false;
  char wanted[8];
  (void)std::snprintf(wanted, sizeof wanted, "%04X", port);
  const std::string_view address = std::string_view(words[1]).substr(0, colon);
  return words[1].substr(colon + 1) == wanted &&
         address.find_first_not_of('0') == std::string_view::npos;
}

Check check_port(const Host& host) {
  const std::string port = std::to_string(host.function_port);
  const std::string remedy =
      "bind that program to the addresses it needs, or start faasd with "
      "another --function-port";
  if (has_listener(host, "proc/net/tcp", host.function_port)) {
    return {"port", Outcome::fail, "a program listens on port " + port + " of every address",
            remedy};
  }
  if (has_listener(host, "proc/net/tcp6", host.function_port)) {
    return {"port", Outcome::warn,
            "a program listens on port " + port + " of every IPv6 address, and perhaps of IPv4",
            remedy};
  }
  return {"port", Outcome::ok, "nobody listens on port " + port + " of every address", ""};
}

}  // namespace cli::doctor
