// Which image of an archive is meant, where it holds several: tags, platforms. A value. Throws
// sys::Refused(invalid). Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace image {

struct Platform {
  std::string os;
  std::string architecture;  // GOARCH
  std::string variant;       // "v8"; often empty

  std::string to_string() const;
};

struct Selection {
  std::string tag;       // "app:1.2", "app", "1.2"; empty: the archive has one image
  std::string platform;  // "linux/arm64"; empty: what this machine runs
  std::string digest;    // of the image, its manifest or an index that leads to it; empty: any
};

// The longest tag that is looked at; Docker's own bounds are 128 bytes for the tag, 255 for the
// name.
constexpr std::size_t kTagBytes = 384;

// Before an archive is read: is this a tag, a platform, a digest at all? "bad_tag", "bad_platform",
// "bad_digest".
void check_selection(const Selection& selection);

// What this machine runs.
Platform host_platform();
// "os/architecture[/variant]".
Platform parse_platform(const std::string& text);
// A wanted platform without a variant takes any variant.
bool matches_platform(const Platform& wanted, const Platform& actual);

// Whether `tag` of an archive is what the caller means by `wanted`: registries' default names are
// left out by people ("docker.io/library/app:latest" is "app"), and the last part alone will do.
bool matches_tag(std::string_view wanted, std::string_view tag);

}  // namespace image
