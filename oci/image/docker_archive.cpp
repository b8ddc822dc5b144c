#include "oci/image/docker_archive.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "oci/image/digest.h"
#include "oci/image/image_config.h"
#include "oci/image/quota.h"
#include "oci/image/refusal.h"

namespace image {
namespace {

using nlohmann::json;

[[noreturn]] void refuse_manifest(const std::string& reason) {
  refuse("bad_manifest", "manifest.json " + reason);
}

// "./a//b" as the report has it: "a/b".
std::string plain_path(const std::string& path) {
  std::string plain;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string component = path.substr(begin, end - begin);
    begin = end + 1;
    if (component.empty() || component == ".") continue;
    plain += plain.empty() ? component : "/" + component;
  }
  return plain;
}

std::string follow_links(const UnpackReport& report, std::string path) {
  for (int links = 0; links < kLinksInPath; ++links) {
    const auto link = report.links.find(path);
    if (link == report.links.end()) return path;
    path = link->second;
  }
  return path;
}

[[noreturn]] void refuse_absent(const UnpackReport& report, const std::string& code,
                                const std::string& message) {
  if (report.has_end_mark) refuse(code, message);
  refuse("truncated_archive", message + ", and the archive has no end mark: it was cut off");
}

// The text of every tag of every image: what the sender has to choose from.
std::string tags_of(const json& manifest) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> tags;
  for (const json& entry : manifest) {
    const auto found = entry.is_object() ? entry.find("RepoTags") : entry.end();
    if (!entry.is_object() || found == entry.end() || !found->is_array()) continue;
    for (const json& tag : *found) {
      if (tag.is_string()) tags.push_back(printable(tag.get_ref<const std::string&>()));
    }
  }
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, tags.size()); ++i) {
    text += (i == 0 ? "" : ", ") + tags[i];
  }
  if (tags.size() > kShown) text += ", …";
  return text.empty() ? "without tags" : text;
}

const json& only_image(const json& manifest) {
  if (!manifest.is_array()) refuse_manifest("must be a list of images");
  if (manifest.empty()) refuse_manifest("lists no image");
  if (manifest.size() > 1) {
    refuse("ambiguous_image", "the archive holds " + std::to_string(manifest.size()) + " images (" +
                                  tags_of(manifest) + "): save exactly one");
  }
  const json& entry = manifest.front();
  if (!entry.is_object()) refuse_manifest("must list objects");
  return entry;
}

std::string config_path_of(const json& entry) {
  const auto found = entry.find("Config");
  if (found == entry.end() || !found->is_string()) refuse_manifest("has no 'Config' text");
  return plain_path(found->get_ref<const std::string&>());
}

std::vector<std::string> layer_paths_of(const json& entry) {
  const auto found = entry.find("Layers");
  if (found == entry.end() || found->is_null()) return {};
  if (!found->is_array()) refuse_manifest("has 'Layers' that are no list");
  std::vector<std::string> paths;
  for (const json& path : *found) {
    if (!path.is_string()) refuse_manifest("has a layer that is no text");
    paths.push_back(plain_path(path.get_ref<const std::string&>()));
  }
  return paths;
}

// Programs name documents after their digest in several ways ("<hex>.json", "blobs/sha256/<hex>",
// "sha256:<hex>"); where a name promises one, it must be true.
void check_name_of(const std::string& path, const std::string& hex) {
  std::string name = path.substr(path.rfind('/') + 1);
  if (name.starts_with("sha256:")) name = name.substr(7);
  name = name.substr(0, name.find('.'));
  if (!is_sha256_hex(name) || name == hex) return;
  refuse("digest_mismatch",
         "'" + printable(path) + "' has the digest sha256:" + hex + ": it was changed on its way");
}

const UnpackedLayer& layer_at(const UnpackReport& report, const std::string& path) {
  const std::string target = follow_links(report, path);
  for (const UnpackedLayer& layer : report.layers) {
    if (layer.path == target) return layer;
  }
  refuse_absent(report, "missing_layer",
                "the layer '" + printable(path) + "' of manifest.json is not in the archive");
}

void plan_layers(const UnpackReport& report, const std::vector<std::string>& paths,
                 const std::vector<std::string>& diff_ids, ImagePlan& plan) {
  if (paths.size() != diff_ids.size()) {
    refuse("layer_count_mismatch", "manifest.json lists " + std::to_string(paths.size()) +
                                       " layers, the image config " +
                                       std::to_string(diff_ids.size()));
  }
  // One layer may be named many times, so the child's bound on what it unpacked does not bound
  // this.
  if (paths.size() > Quota{}.layers) {
    refuse_too_large("manifest.json", Quota{}.layers, "layers");
  }
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const UnpackedLayer& layer = layer_at(report, paths[i]);
    if (layer.diff_hex != diff_ids[i]) {
      refuse("digest_mismatch",
             "the layer '" + printable(paths[i]) + "' has the digest sha256:" + layer.diff_hex +
                 ", the image config says sha256:" + diff_ids[i] + ": it was changed on its way");
    }
    if (layer.path.starts_with("blobs/sha256/")) check_name_of(layer.path, layer.compressed_hex);
    plan.layers.push_back({layer.diff_hex, layer.directory});
  }
}

}  // namespace

ImagePlan plan_docker_archive(const UnpackReport& report) {
  const auto manifest_bytes = report.documents.find("manifest.json");
  if (manifest_bytes == report.documents.end()) {
    refuse_absent(report, "not_an_image",
                  "manifest.json is missing: is this the output of `docker save`?");
  }
  const json manifest = parse_document(manifest_bytes->second, "bad_manifest", "manifest.json");
  const json& entry = only_image(manifest);

  const std::string config_path = config_path_of(entry);
  const auto config_bytes = report.documents.find(follow_links(report, config_path));
  if (config_bytes == report.documents.end()) {
    refuse_absent(report, "missing_config",
                  "the config '" + printable(config_path) +
                      "' of manifest.json is not in the archive, or is no JSON");
  }
  const std::string config_hex = sha256_hex(config_bytes->second);
  check_name_of(config_bytes->first, config_hex);

  ParsedConfig parsed =
      parse_config(parse_document(config_bytes->second, "bad_config", "the image config"));
  ImagePlan plan;
  plan_layers(report, layer_paths_of(entry), parsed.diff_ids, plan);
  check_platform(parsed.config);
  plan.digest = "sha256:" + config_hex;
  plan.config_json = config_bytes->second;
  plan.config = std::move(parsed.config);
  return plan;
}

}  // namespace image
