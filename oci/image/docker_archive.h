// What `docker save` writes, judged after the last byte: the manifest, the config it names, and
// that every layer is the one that the config promises. Knows documents and digests; no file, no
// archive. Another layout is another function from an UnpackReport to an ImagePlan. Source: moby,
// image/tarexport; OCI image-spec, config.md. Throws sys::Refused(invalid). Any thread.
#pragma once

#include <string>
#include <vector>

#include "oci/image/image.h"
#include "oci/image/unpack_protocol.h"

namespace image {

struct PlannedLayer {
  std::string diff_hex;
  std::string directory;  // UnpackedLayer::directory
};

// An image that is complete and verified, and yet to be put together.
struct ImagePlan {
  std::string digest;       // "sha256:<hex>" of the config
  std::string config_json;  // the config's bytes
  ImageConfig config;
  std::vector<PlannedLayer> layers;  // from the lowest up; one may occur twice
};

ImagePlan plan_docker_archive(const UnpackReport& report);

}  // namespace image
