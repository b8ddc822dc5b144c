#include "oci/sys/version.h"

#include <charconv>

namespace sys {
namespace {

// Takes a number off the front.
std::optional<int> take_number(std::string_view& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::string Version::to_string() const {
  std::string text =
      std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  if (candidate != kRelease) text += "-rc." + std::to_string(candidate);
  return text;
}

std::optional<Version> parse_version(std::string_view text) {
  Version version;
  take(text, "v");
  const auto major = take_number(text);
  if (!major || !take(text, ".")) return std::nullopt;
  const auto minor = take_number(text);
  if (!minor) return std::nullopt;
  version.major = *major;
  version.minor = *minor;
  if (take(text, ".")) {
    const auto patch = take_number(text);
    if (!patch) return std::nullopt;
    version.patch = *patch;
  }
  // runc writes "-rc.2" and once wrote "-rc93"; Debian writes a tilde, which sorts first there.
  if (take(text, "-rc") || take(text, "~rc")) {
    take(text, ".");
    version.candidate = take_number(text).value_or(0);
  }
  return version;
}

}  // namespace sys
