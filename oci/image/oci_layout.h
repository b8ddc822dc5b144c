// The images of an archive, or directory, in the OCI image layout: index.json leads to manifests,
// also through further indexes, and a manifest to a config and layers, all under blobs/sha256.
// Every document is of the size and digest by which it is named. Knows documents and digests; no
// file, no archive. Source: OCI image-spec, image-layout.md, image-index.md, manifest.md;
// containerd for the annotation that holds an image's full name. Throws sys::Refused(invalid). Any
// thread.
#pragma once

#include <vector>

#include "oci/image/image_candidate.h"
#include "oci/image/unpack_protocol.h"

namespace image {

// Empty if there is no index.json, or if it lists no image. Manifests of other platforms need not
// be there. The candidates refer to `report`.
std::vector<ImageCandidate> oci_candidates(const UnpackReport& report);

}  // namespace image
