#include "oci/image/docker_archive.h"

#include <nlohmann/json.hpp>

#include "oci/image/archive_members.h"
#include "oci/image/digest.h"
#include "oci/image/image_config.h"
#include "oci/image/refusal.h"

namespace image {
namespace {

using nlohmann::json;

[[noreturn]] void refuse_manifest(const std::string& reason) {
  refuse("bad_manifest", "manifest.json " + reason);
}

// Go writes null for an empty list.
std::vector<std::string> strings_in(const json& entry, const char* name) {
  const auto found = entry.find(name);
  if (found == entry.end() || found->is_null()) return {};
  if (!found->is_array()) refuse_manifest("has '" + std::string(name) + "' that are no list");
  std::vector<std::string> strings;
  for (const json& element : *found) {
    if (!element.is_string()) refuse_manifest("has '" + std::string(name) + "' that are no texts");
    strings.push_back(element.get<std::string>());
  }
  return strings;
}

ImageParts open_image(const UnpackReport& report, const std::string& config_path,
                      const std::vector<std::string>& layers) {
  const std::string* const config = find_document(report, config_path);
  if (config == nullptr) {
    refuse_absent(report, "missing_config",
                  "the config '" + printable(config_path) +
                      "' of manifest.json is not in the archive, or is no JSON");
  }
  ImageParts parts;
  parts.config_json = *config;
  parts.config_hex = sha256_hex(*config);
  check_name(follow_links(report, config_path), parts.config_hex);
  for (const std::string& layer : layers) {
    const std::string path = plain_path(layer);
    LayerReference reference{path, {}, {}};
    if (path.starts_with("blobs/sha256/")) reference.hex = path.substr(path.rfind('/') + 1);
    parts.layers.push_back(std::move(reference));
  }
  return parts;
}

ImageCandidate candidate_from(const UnpackReport& report, const json& entry) {
  if (!entry.is_object()) refuse_manifest("must list objects");
  const auto config = entry.find("Config");
  if (config == entry.end() || !config->is_string()) refuse_manifest("has no 'Config' text");
  ImageCandidate candidate;
  candidate.tags = strings_in(entry, "RepoTags");
  std::erase_if(candidate.tags, [](const std::string& tag) { return tag.size() > kTagBytes; });
  candidate.open = [&report, path = plain_path(config->get<std::string>()),
                    layers = strings_in(entry, "Layers")] {
    return open_image(report, path, layers);
  };
  return candidate;
}

}  // namespace

std::vector<ImageCandidate> docker_candidates(const UnpackReport& report) {
  const std::string* const bytes = find_document(report, "manifest.json");
  if (bytes == nullptr) return {};
  const json manifest = parse_document(*bytes, "bad_manifest", "manifest.json");
  if (!manifest.is_array()) refuse_manifest("must be a list of images");
  if (manifest.empty()) refuse_manifest("lists no image");
  if (manifest.size() > kManifests) {
    refuse_too_large("manifest.json", kManifests, "images");
  }
  std::vector<ImageCandidate> candidates;
  for (const json& entry : manifest) candidates.push_back(candidate_from(report, entry));
  return candidates;
}

}  // namespace image
