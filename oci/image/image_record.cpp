#include "oci/image/image_record.h"

#include <nlohmann/json.hpp>

#include "oci/image/digest.h"
#include "oci/image/image_config.h"
#include "oci/sys/error.h"

namespace image {

using nlohmann::json;

namespace {

// One path component: see ImageCatalog::new_tree_path.
std::filesystem::path tree_in(const json& object, const std::filesystem::path& trees) {
  const std::string name = object.at("tree").get<std::string>();
  if (name.empty() || name.find_first_not_of("0123456789abcdef") != std::string::npos) {
    throw json::other_error::create(501, "a tree is none", &object);
  }
  return trees / name;
}

}  // namespace

std::string encode_image_record(const ImageRecord& record, const std::string& config_json) {
  json grafts = json::array();
  for (const Graft& graft : record.image.grafts) {
    grafts.push_back({{"path", graft.path}, {"tree", graft.tree.filename().string()}});
  }
  const json document = {
      {"digest", record.image.digest},     {"tree", record.image.rootfs.filename().string()},
      {"grafts", std::move(grafts)},       {"size_bytes", record.image.size_bytes},
      {"notes", record.image.notes},       {"layers", record.layers},
      {"config", json::parse(config_json)}};
  return document.dump() + "\n";
}

ImageRecord decode_image_record(const std::string& text, const std::filesystem::path& trees) {
  try {
    const json document = json::parse(text);
    ImageRecord record;
    record.image.digest = document.at("digest").get<std::string>();
    record.image.rootfs = tree_in(document, trees);
    for (const json& graft : document.at("grafts")) {
      record.image.grafts.push_back({graft.at("path").get<std::string>(), tree_in(graft, trees)});
    }
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
