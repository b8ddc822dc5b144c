#include "oci/image/image_selection.h"

#include <algorithm>

#include "oci/image/digest.h"
#include "oci/image/image_config.h"
#include "oci/image/refusal.h"

namespace image {
namespace {

constexpr std::size_t kPlatformBytes = 64;

bool is_plain(std::string_view text, std::string_view extra) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           extra.find(c) != std::string_view::npos;
  });
}

// The ':' before a tag; one in front of a '/' belongs to a port.
std::size_t find_tag_part(std::string_view name) {
  const std::size_t colon = name.rfind(':');
  if (colon == std::string_view::npos) return colon;
  return name.find('/', colon) == std::string_view::npos ? colon : std::string_view::npos;
}

std::string normal_tag(std::string_view tag) {
  for (const std::string_view prefix : {"docker.io/", "library/", "localhost/"}) {
    if (tag.starts_with(prefix)) tag.remove_prefix(prefix.size());
  }
  std::string name(tag);
  if (find_tag_part(tag) == std::string_view::npos) name += ":latest";
  return name;
}

}  // namespace

std::string Platform::to_string() const {
  return os + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

void check_selection(const Selection& selection) {
  if (selection.tag.size() > kTagBytes || !is_plain(selection.tag, "._-/:@")) {
    refuse("bad_tag", "'" + printable(selection.tag) + "' is no tag; write it like app:1.2");
  }
  if (!selection.platform.empty()) parse_platform(selection.platform);
  if (!selection.digest.empty() && hex_of_digest(selection.digest).empty()) {
    refuse("bad_digest", "'" + printable(selection.digest) +
                             "' is no digest; write it like sha256:<64 hex digits>");
  }
}

Platform host_platform() {
  return {"linux", host_architecture(), ""};
}

Platform parse_platform(const std::string& text) {
  const std::size_t first = text.find('/');
  const std::size_t second = first == std::string::npos ? first : text.find('/', first + 1);
  Platform platform;
  if (first != std::string::npos) {
    platform.os = text.substr(0, first);
    platform.architecture = text.substr(first + 1, second - first - 1);
    if (second != std::string::npos) platform.variant = text.substr(second + 1);
  }
  if (platform.os != "linux" || platform.architecture.empty() || text.size() > kPlatformBytes ||
      text.ends_with('/') || !is_plain(platform.architecture, "_") ||
      !is_plain(platform.variant, ".")) {
    refuse("bad_platform", "'" + printable(text) + "' is no platform; write it like linux/amd64");
  }
  return platform;
}

bool matches_platform(const Platform& wanted, const Platform& actual) {
  // There is no other 64-bit ARM; some programs write its version, some do not.
  const auto variant_of = [](const Platform& platform) -> std::string_view {
    if (platform.architecture == "arm64" && platform.variant == "v8") return {};
    return platform.variant;
  };
  return wanted.os == actual.os && wanted.architecture == actual.architecture &&
         (wanted.variant.empty() || variant_of(wanted) == variant_of(actual));
}

bool matches_tag(std::string_view wanted, std::string_view tag) {
  if (wanted == tag || normal_tag(wanted) == normal_tag(tag)) return true;
  const std::size_t colon = find_tag_part(tag);
  return colon != std::string_view::npos && tag.substr(colon + 1) == wanted;
}

}  // namespace image
