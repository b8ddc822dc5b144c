#include "faasd/script/redis_address.h"

#include <algorithm>
#include <charconv>

#include "oci/sys/error.h"

namespace script {
namespace {

constexpr std::string_view kScheme = "redis://";

[[noreturn]] void refuse(const std::string& problem) {
  throw sys::Refused(
      sys::Refusal::invalid, "bad_store",
      "the store of scripts is `sqlite` or redis://[:PASSWORD@]HOST[:PORT][/DB]; " + problem);
}

template <typename Number>
Number parse_number(std::string_view text, const char* problem) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) refuse(problem);
  return number;
}

std::string percent_decode(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes += text[i];
      continue;
    }
    unsigned int byte = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2) {
      refuse("a % in the password is written %25");
    }
    bytes += static_cast<char>(byte);
    i += 2;
  }
  return bytes;
}

// Takes "HOST[:PORT]" apart.
void parse_place(std::string_view place, RedisAddress& address) {
  std::string_view port;
  if (place.starts_with('[')) {
    const std::size_t close = place.find(']');
    if (close == std::string_view::npos) refuse("an IPv6 address stands in [brackets]");
    address.host = place.substr(1, close - 1);
    port = place.substr(close + 1);
    if (!port.empty() && port.front() != ':') refuse("behind the ] comes a colon and the port");
  } else {
    const std::size_t colon = std::min(place.find(':'), place.size());
    address.host = place.substr(0, colon);
    port = place.substr(colon);
  }
  const bool odd = std::any_of(address.host.begin(), address.host.end(), [](unsigned char c) {
    return c <= ' ' || c >= 0x7f ||
           std::string_view("/?#[]@\\\"'").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (address.host.empty() || odd) refuse("its host is missing or no host's name");
  if (port.empty()) return;
  address.port = parse_number<std::uint16_t>(port.substr(1), "its port is no port");
  if (address.port == 0) refuse("its port is no port");
}

}  // namespace

std::string RedisAddress::to_string() const {
  const bool brackets = host.find(':') != std::string::npos;
  return std::string(kScheme) + (brackets ? "[" + host + "]" : host) + ":" + std::to_string(port) +
         "/" + std::to_string(database);
}

RedisAddress parse_redis_address(std::string_view url) {
  if (!url.starts_with(kScheme)) refuse("this is neither");
  url.remove_prefix(kScheme.size());
  RedisAddress address;
  // The last one: an @ in a password should be %40, but this reads only one way.
  const std::size_t at = url.rfind('@');
  if (at != std::string_view::npos) {
    const std::string_view user = url.substr(0, at);
    if (user.empty() || user.front() != ':') refuse("a user's name is not understood");
    address.password = percent_decode(user.substr(1));
    url.remove_prefix(at + 1);
  }
  const std::size_t slash = std::min(url.find('/'), url.size());
  parse_place(url.substr(0, slash), address);
  const std::string_view database = url.substr(std::min(slash + 1, url.size()));
  if (!database.empty()) {
    address.database = parse_number<std::uint32_t>(database, "its database is no number");
  }
  return address;
}

}  // namespace script
