#include "oci/image/image_record.h"

#include <nlohmann/json.hpp>

#include "oci/image/digest.h"
#include "oci/image/image_config.h"
#include "oci/sys/error.h"

namespace image {

using nlohmann::json;

std::string encode_image_record(const ImageRecord& record, const std::string& config_json) {
  const json document = {{"digest", record.image.digest},
                         {"size_bytes", record.image.size_bytes},
                         {"notes", record.image.notes},
                         {"layers", record.layers},
                         {"config", json::parse(config_json)}};
  return document.dump() + "\n";
}

ImageRecord decode_image_record(const std::string& text) {
  try {
    const json document = json::parse(text);
    ImageRecord record;
    record.image.digest = document.at("digest").get<std::string>();
    record.image.size_bytes = number_in(document, "size_bytes");
    record.image.notes = document.at("notes").get<std::vector<std::string>>();
    record.image.config = parse_config(document.at("config")).config;
    record.layers = document.at("layers").get<std::vector<std::string>>();
    for (const std::string& hex : record.layers) {
      if (!is_sha256_hex(hex)) throw json::other_error::create(501, "a layer is none", &document);
    }
    return record;
  } catch (const json::exception& error) {
    throw sys::Refused(sys::Refusal::failed, "corrupt_image",
                       std::string("image.json cannot be read: ") + error.what());
  }
}

}  // namespace image
