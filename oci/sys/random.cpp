#include "oci/sys/random.h"

#include <sys/random.h>

#include <cerrno>

#include "oci/sys/error.h"

namespace sys {

std::string random_hex(std::size_t bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string raw(bytes, '\0');
  std::size_t have = 0;
  while (have < bytes) {
    const ssize_t n = ::getrandom(raw.data() + have, bytes - have, 0);
    if (n < 0 && errno != EINTR) throw_errno("getrandom");
    if (n > 0) have += static_cast<std::size_t>(n);
  }
  std::string hex;
  for (const char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

}  // namespace sys
