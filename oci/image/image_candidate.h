// One image that an archive says it holds, before anybody has chosen: what it may be chosen by, and
// how to get at its parts. Any thread; open() uses the report that the candidate was found in.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "oci/image/image_selection.h"

namespace image {

struct LayerReference {
  std::string path;                   // the member of the archive
  std::string hex;                    // its digest, if the layout says so
  std::optional<std::uint64_t> size;  // its bytes, likewise
};

struct ImageParts {
  std::string config_json;
  std::string config_hex;  // SHA-256 of it
  std::vector<LayerReference> layers;
};

struct ImageCandidate {
  std::vector<std::string> tags;
  std::vector<std::string> digest_hexes;  // of its manifest and of the indexes that lead to it
  std::optional<Platform> platform;       // if the archive says so outside the config
  std::function<ImageParts()> open;       // throws sys::Refused
};

}  // namespace image
