// Unpredictable names: getrandom(2). Any thread.
#pragma once

#include <cstddef>
#include <string>

namespace sys {

// `bytes` random bytes as lower-case hex, twice as many characters.
std::string random_hex(std::size_t bytes);

}  // namespace sys
