// Numbers as people read them. Pure functions.
#pragma once

#include <cstdint>
#include <string>

namespace cli {

std::string format_bytes(std::uint64_t bytes);         // "0 B", "1.5 KiB", "256 MiB"
std::string format_milliseconds(std::uint64_t value);  // "250 ms", "30 s", "1.5 s", "5 min"

}  // namespace cli
