// What an archive held, judged after its last byte: which of its images is meant, and that every
// blob of it is the one that its config, manifest and index promise. Knows documents and digests;
// no file, no archive. Another layout is another list of candidates. Throws sys::Refused(invalid).
// Any thread.
#pragma once

#include <string>
#include <vector>

#include "oci/image/image.h"
#include "oci/image/image_selection.h"
#include "oci/image/unpack_protocol.h"

namespace image {

struct PlannedLayer {
  std::string diff_hex;
  std::string path;       // the member, for messages
  std::string directory;  // UnpackedLayer::directory; empty if the archive did not bring it
};

// An image that is complete and verified, and yet to be put together.
struct ImagePlan {
  std::string digest;       // "sha256:<hex>" of the config
  std::string config_json;  // the config's bytes
  ImageConfig config;
  std::vector<PlannedLayer> layers;  // from the lowest up; one may occur twice
};

ImagePlan plan_image(const UnpackReport& report, const Selection& selection);

// A layer that the archive did not bring, and the store does not have: "missing_layer".
[[noreturn]] void refuse_missing_layer(const UnpackReport& report, const PlannedLayer& layer);

}  // namespace image
