// Versions of kernels and of runc: "6.1.0-18-amd64", "1.1.5+ds1", "1.4.0-rc.2", "1.0.0~rc93+ds1".
// A release candidate comes before its release; everything else behind the numbers is the
// distribution's and says nothing about the order. Pure functions.
#pragma once

#include <compare>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace sys {

struct Version {
  static constexpr int kRelease = std::numeric_limits<int>::max();

  int major = 0;
  int minor = 0;
  int patch = 0;
  int candidate = kRelease;  // 2 of "-rc.2"

  std::string to_string() const;
  auto operator<=>(const Version&) const = default;  // NOLINT(modernize-use-nullptr): its bug
};

// The version at the start of the text; empty if there is none.
std::optional<Version> parse_version(std::string_view text);

}  // namespace sys
