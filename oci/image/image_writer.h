// Writes an image of one layer as the archive that `docker save` writes, from a directory and
// without Docker. The layer goes straight to its place in the output while it is hashed; its header
// follows. The same directory gives the same bytes. One thread. Throws sys::Refused for a tree or a
// config that cannot become an image, std::system_error if the output cannot be written.
// Source: moby, image/tarexport; OCI image-spec, config.md.
#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "oci/image/image.h"
#include "oci/image/layer_packer.h"

namespace image {

struct ImageSource {
  LayerSource layer;
  ImageConfig config;             // architecture and os are this host's
  std::vector<std::string> tags;  // "name:tag"
  std::time_t created = 0;
};

struct WrittenImage {
  std::string digest;  // "sha256:<hex>" of the config: the image's name
  std::uint64_t size_bytes = 0;
};

// `output_fd` is a regular file, empty, open for writing; `output` names it in messages. `progress`
// is told how many bytes there are.
WrittenImage write_image(const ImageSource& source, int output_fd, const std::string& output,
                         const std::function<void(std::uint64_t)>& progress);

}  // namespace image
