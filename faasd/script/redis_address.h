// Where a Redis is: redis://[:PASSWORD@]HOST[:PORT][/DB], as `--store` has it (the form that
// IANA knows as provisional scheme "redis", without users). Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace script {

struct RedisAddress {
  std::string host = "localhost";  // a name, an IPv4 address, or an IPv6 address without brackets
  std::uint16_t port = 6379;
  std::string password;  // empty: none
  std::uint32_t database = 0;

  // "redis://host:6379/0": without the password.
  std::string to_string() const;

  bool operator==(const RedisAddress&) const = default;
};

// In the password, bytes that mean something in a URL are written %XX. Throws sys::Refused(invalid,
// "bad_store"), whose text repeats nothing of the URL: any part of it may be a misplaced password.
RedisAddress parse_redis_address(std::string_view url);

}  // namespace script
