#include "faas-cli/units.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace cli {
namespace {

// One decimal where it says something: "1.5", "256", never "256.0".
std::string format_number(double value) {
  char text[32];
  const double tenths = std::round(value * 10) / 10;
  const bool whole = tenths == std::floor(tenths);
  (void)std::snprintf(text, sizeof text, whole ? "%.0f" : "%.1f", tenths);
  return text;
}

}  // namespace

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // 1023.95 would round to "1024": that is one of the next unit.
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return format_number(value) + " " + kUnits[unit];
}

std::string format_milliseconds(std::uint64_t value) {
  if (value < 1000) return std::to_string(value) + " ms";
  if (value >= 120'000 && value % 60'000 == 0) return std::to_string(value / 60'000) + " min";
  char text[32];
  (void)std::snprintf(text, sizeof text, "%.3f", static_cast<double>(value) / 1000);
  std::string seconds(text);
  seconds.erase(seconds.find_last_not_of('0') + 1);
  if (seconds.ends_with('.')) seconds.pop_back();
  return seconds + " s";
}

}  // namespace cli
