// The images of an archive that `docker save` wrote: manifest.json, which names configs and layers
// by their members. Knows documents and digests; no file, no archive. Source: moby,
// image/tarexport. Throws sys::Refused(invalid). Any thread.
#pragma once

#include <vector>

#include "oci/image/image_candidate.h"
#include "oci/image/unpack_protocol.h"

namespace image {

// Empty if there is no manifest.json. The candidates refer to `report`.
std::vector<ImageCandidate> docker_candidates(const UnpackReport& report);

}  // namespace image
