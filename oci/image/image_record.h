// `images/<hex>/image.json`: what an image's directory says of itself. A file that people may read.
// Throws sys::Refused(failed, "corrupt_image") for one that makes no sense. Any thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "oci/image/image.h"

namespace image {

struct ImageRecord {
  Image image;
  std::vector<std::string> layers;  // diff_ids as 64 hex digits, from the lowest up
};

// `config_json` is the config as it came with the image. Trees are written by their names in
// `trees/`.
std::string encode_image_record(const ImageRecord& record, const std::string& config_json);
ImageRecord decode_image_record(const std::string& text, const std::filesystem::path& trees);

}  // namespace image
