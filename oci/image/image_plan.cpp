#include "oci/image/image_plan.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "oci/image/archive_members.h"
#include "oci/image/digest.h"
#include "oci/image/docker_archive.h"
#include "oci/image/image_candidate.h"
#include "oci/image/image_config.h"
#include "oci/image/oci_layout.h"
#include "oci/image/quota.h"
#include "oci/image/refusal.h"

namespace image {
namespace {

using Candidates = std::vector<ImageCandidate>;

// A candidate whose documents have been read, with the tags of all that are the same image.
struct OpenedImage {
  ImageParts parts;
  ParsedConfig parsed;
  std::vector<std::string> tags;
};

// What the sender has to choose from, in one line.
std::string list_of(const std::set<std::string>& names, const char* none) {
  constexpr std::size_t kShown = 8;
  std::string text;
  std::size_t shown = 0;
  for (const std::string& name : names) {
    if (shown++ == kShown) return text + ", …";
    text += (text.empty() ? "" : ", ") + printable(name);
  }
  return text.empty() ? none : text;
}

std::string tags_of(const Candidates& candidates) {
  std::set<std::string> tags;
  for (const ImageCandidate& candidate : candidates) {
    tags.insert(candidate.tags.begin(), candidate.tags.end());
  }
  return list_of(tags, "no tags");
}

// Engine 25 and later write both documents: manifest.json lists every image, index.json those with
// a tag, and names their blobs by size and digest. It comes first, then; one image that both list
// is known by its config.
Candidates candidates_of(const UnpackReport& report) {
  Candidates candidates = oci_candidates(report);
  Candidates others = docker_candidates(report);
  std::move(others.begin(), others.end(), std::back_inserter(candidates));
  if (candidates.empty()) {
    refuse_absent(report, "not_an_image",
                  "neither manifest.json nor index.json names an image: is this the output of "
                  "`docker save`?");
  }
  return candidates;
}

void keep_tagged(Candidates& candidates, const std::string& tag) {
  if (tag.empty()) return;
  const std::string known = tags_of(candidates);
  std::erase_if(candidates, [&](const ImageCandidate& candidate) {
    return std::none_of(candidate.tags.begin(), candidate.tags.end(),
                        [&](const std::string& other) { return matches_tag(tag, other); });
  });
  if (candidates.empty()) {
    refuse("unknown_tag", "the archive has no image '" + printable(tag) + "'; it has " + known);
  }
}

[[noreturn]] void refuse_platform(const Platform& wanted, const std::set<std::string>& there) {
  std::string message = "the image is for " + list_of(there, "others") + ", not for " +
                        wanted.to_string() + ": build it for that";
  if (there.size() == 1 && there.begin()->starts_with("linux/")) {
    message += ", or take it as it is with --platform " + printable(*there.begin());
  }
  refuse("wrong_platform", message);
}

// A manifest's digest says which image is meant, whatever its platform is; that of a config is
// known only when the documents have been read.
void keep_digest(Candidates& candidates, const std::string& digest) {
  const auto is_other = [hex =
                             std::string(hex_of_digest(digest))](const ImageCandidate& candidate) {
    const std::vector<std::string>& hexes = candidate.digest_hexes;
    return std::find(hexes.begin(), hexes.end(), hex) == hexes.end();
  };
  if (std::all_of(candidates.begin(), candidates.end(), is_other)) return;
  std::erase_if(candidates, is_other);
}

// Those for another platform, as far as the index says so: their blobs may not even be there.
void keep_platform(Candidates& candidates, const Platform& wanted) {
  std::set<std::string> platforms;
  for (const ImageCandidate& candidate : candidates) {
    if (candidate.platform) platforms.insert(candidate.platform->to_string());
  }
  std::erase_if(candidates, [&](const ImageCandidate& candidate) {
    return candidate.platform && !matches_platform(wanted, *candidate.platform);
  });
  if (candidates.empty()) refuse_platform(wanted, platforms);
}

// Of one image, the shortest name that can be given to --tag; what has none has a digest.
std::string name_of(const OpenedImage& image) {
  std::string best;
  for (const std::string& tag : image.tags) {
    const bool is_name = tag.find(':') != std::string::npos;
    const bool best_is_name = best.find(':') != std::string::npos;
    if (best.empty() || is_name > best_is_name ||
        (is_name == best_is_name && tag.size() < best.size())) {
      best = tag;
    }
  }
  return best.empty() ? "sha256:" + image.parts.config_hex : best;
}

[[noreturn]] void refuse_ambiguous(const std::vector<OpenedImage>& images) {
  std::set<std::string> names;
  for (const OpenedImage& image : images) names.insert(name_of(image));
  refuse("ambiguous_image", "the archive holds " + std::to_string(images.size()) + " images (" +
                                list_of(names, "none") + "): choose one with --tag or --digest");
}

bool has_digest(const ImageCandidate& candidate, const ImageParts& parts,
                const std::string& digest) {
  const std::string hex(hex_of_digest(digest));
  return parts.config_hex == hex ||
         std::find(candidate.digest_hexes.begin(), candidate.digest_hexes.end(), hex) !=
             candidate.digest_hexes.end();
}

// What the index did not say, the config does.
void keep_platform(std::vector<OpenedImage>& images, const Platform& wanted) {
  std::set<std::string> platforms;
  std::erase_if(images, [&](const OpenedImage& image) {
    const ImageConfig& config = image.parsed.config;
    platforms.insert(Platform{config.os, config.architecture, ""}.to_string());
    // Of variants only the index knows.
    return !matches_platform(wanted, {config.os, config.architecture, wanted.variant});
  });
  if (images.empty()) refuse_platform(wanted, platforms);
}

OpenedImage choose_image(const UnpackReport& report, const Selection& selection) {
  const Platform wanted =
      selection.platform.empty() ? host_platform() : parse_platform(selection.platform);
  Candidates candidates = candidates_of(report);
  keep_tagged(candidates, selection.tag);
  keep_digest(candidates, selection.digest);
  keep_platform(candidates, wanted);
  std::vector<OpenedImage> images;  // different ones
  std::set<std::string> digests;    // that a pin could have named
  for (const ImageCandidate& candidate : candidates) {
    ImageParts parts = candidate.open();
    digests.insert("sha256:" + parts.config_hex);
    for (const std::string& hex : candidate.digest_hexes) digests.insert("sha256:" + hex);
    if (!selection.digest.empty() && !has_digest(candidate, parts, selection.digest)) continue;
    auto same = std::find_if(images.begin(), images.end(), [&](const OpenedImage& other) {
      return other.parts.config_hex == parts.config_hex;
    });
    if (same == images.end()) {
      ParsedConfig parsed =
          parse_config(parse_document(parts.config_json, "bad_config", "the image config"));
      same = images.insert(images.end(), {std::move(parts), std::move(parsed), {}});
    }
    same->tags.insert(same->tags.end(), candidate.tags.begin(), candidate.tags.end());
  }
  if (images.empty()) {
    refuse("digest_mismatch", "the archive has no image " + printable(selection.digest) +
                                  "; it has " + list_of(digests, "none"));
  }
  keep_platform(images, wanted);
  if (images.size() > 1) refuse_ambiguous(images);
  return std::move(images.front());
}

void check_layer(const LayerReference& reference, const UnpackedLayer& layer,
                 const std::string& diff_hex) {
  if (!reference.hex.empty()) check_digest(reference.path, reference.hex, layer.compressed_hex);
  if (reference.size && *reference.size != layer.size) {
    refuse("digest_mismatch", "the layer '" + printable(reference.path) + "' has " +
                                  std::to_string(layer.size) + " bytes, its manifest says " +
                                  std::to_string(*reference.size));
  }
  if (layer.diff_hex == diff_hex) return;
  refuse("digest_mismatch",
         "the layer '" + printable(reference.path) + "' has the digest sha256:" + layer.diff_hex +
             ", the image config says sha256:" + diff_hex + ": it was changed on its way");
}

std::vector<PlannedLayer> plan_layers(const UnpackReport& report,
                                      const std::vector<LayerReference>& references,
                                      const std::vector<std::string>& diff_ids) {
  if (references.size() != diff_ids.size()) {
    refuse("layer_count_mismatch", "the manifest lists " + std::to_string(references.size()) +
                                       " layers, the image config " +
                                       std::to_string(diff_ids.size()));
  }
  // One layer may be named many times, so the child's bound on what it unpacked does not bound
  // this.
  if (references.size() > Quota{}.layers) refuse_too_large("the image", Quota{}.layers, "layers");
  std::vector<PlannedLayer> planned;
  for (std::size_t i = 0; i < references.size(); ++i) {
    PlannedLayer layer{diff_ids[i], references[i].path, {}};
    const std::string target = follow_links(report, references[i].path);
    const auto found =
        std::find_if(report.layers.begin(), report.layers.end(),
                     [&](const UnpackedLayer& other) { return other.path == target; });
    if (found != report.layers.end()) {
      check_layer(references[i], *found, diff_ids[i]);
      layer.directory = found->directory;
    }
    planned.push_back(std::move(layer));
  }
  return planned;
}

}  // namespace

ImagePlan plan_image(const UnpackReport& report, const Selection& selection) {
  OpenedImage image = choose_image(report, selection);
  ImagePlan plan;
  plan.digest = "sha256:" + image.parts.config_hex;
  plan.layers = plan_layers(report, image.parts.layers, image.parsed.diff_ids);
  plan.config_json = std::move(image.parts.config_json);
  plan.config = std::move(image.parsed.config);
  return plan;
}

void refuse_missing_layer(const UnpackReport& report, const PlannedLayer& layer) {
  refuse_absent(report, "missing_layer",
                "the layer '" + printable(layer.path) + "' is not in the archive");
}

}  // namespace image
