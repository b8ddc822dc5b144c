#include "oci/image/oci_layout.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "oci/image/archive_members.h"
#include "oci/image/image_config.h"
#include "oci/image/refusal.h"

namespace image {
namespace {

using nlohmann::json;

constexpr const char* kIndex = "index.json";

// Of an object, null where there is no such member or no object.
const json& member(const json& object, const char* name) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

std::string text_in(const json& object, const char* name) {
  const json& value = member(object, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}

bool is_index(const Descriptor& descriptor, const json& document) {
  return descriptor.media_type == "application/vnd.oci.image.index.v1+json" ||
         descriptor.media_type == "application/vnd.docker.distribution.manifest.list.v2+json" ||
         (descriptor.media_type.empty() && document.contains("manifests"));
}

bool may_be_index(const Descriptor& descriptor) {
  return descriptor.media_type.empty() || is_index(descriptor, json::object());
}

// What a build tool adds to an index beside images: signatures, bills of materials.
bool is_attestation(const json& entry) {
  return member(member(entry, "annotations"), "vnd.docker.reference.type").is_string() ||
         text_in(member(entry, "platform"), "os") == "unknown";
}

std::vector<std::string> tags_of(const json& entry) {
  std::vector<std::string> tags;
  for (const char* name : {"io.containerd.image.name", "org.opencontainers.image.ref.name"}) {
    std::string tag = text_in(member(entry, "annotations"), name);
    // Every image below an index has its tags: a longer one, which nobody can ask for, is not kept.
    if (!tag.empty() && tag.size() <= kTagBytes) tags.push_back(std::move(tag));
  }
  return tags;
}

std::optional<Platform> platform_of(const json& entry) {
  const json& platform = member(entry, "platform");
  if (!platform.is_object()) return std::nullopt;
  return Platform{text_in(platform, "os"), text_in(platform, "architecture"),
                  text_in(platform, "variant")};
}

// Go writes null for an empty list.
const json& list_in(const json& document, const char* name, const std::string& what) {
  static const json kEmpty = json::array();
  const json& list = member(document, name);
  if (list.is_null() && document.contains(name)) return kEmpty;
  if (!list.is_array()) refuse("bad_manifest", what + " has no list '" + name + "'");
  return list;
}

ImageParts open_manifest(const UnpackReport& report, const Descriptor& descriptor) {
  const std::string what = "the manifest sha256:" + descriptor.hex;
  const json manifest =
      parse_document(described_document(report, descriptor, "the manifest"), "bad_manifest", what);
  const Descriptor config = parse_descriptor(member(manifest, "config"), what);
  ImageParts parts;
  parts.config_json = described_document(report, config, "the image config");
  parts.config_hex = config.hex;
  for (const json& entry : list_in(manifest, "layers", what)) {
    const Descriptor layer = parse_descriptor(entry, what);
    if (layer.media_type.find("encrypted") != std::string::npos) {
      refuse("encrypted_layer", what + " has an encrypted layer, which cannot be unpacked");
    }
    parts.layers.push_back({layer.path(), layer.hex, layer.size});
  }
  return parts;
}

// Walks the indexes. One manifest that is listed twice, under two names, is one image.
class Listing {
 public:
  explicit Listing(const UnpackReport& report) : report_(report) {}

  void add_index(const json& index, const std::string& what, const ImageCandidate& from,
                 int depth) {
    if (++indexes_ > kIndexes) refuse_too_large("the archive", kIndexes, "indexes");
    if (depth > kIndexDepth) refuse_too_large(what + " leads", kIndexDepth, "indexes deep");
    for (const json& entry : list_in(index, "manifests", what)) {
      if (++entries_ > kManifests) refuse_too_large("the archive", kManifests, "manifests");
      if (!is_attestation(entry)) add_entry(entry, what, from, depth);
    }
  }

  std::vector<ImageCandidate> take() { return std::move(candidates_); }

 private:
  void add_entry(const json& entry, const std::string& what, const ImageCandidate& from,
                 int depth) {
    const Descriptor descriptor = parse_descriptor(entry, what);
    ImageCandidate candidate = from;
    for (std::string& tag : tags_of(entry)) candidate.tags.push_back(std::move(tag));
    candidate.digest_hexes.insert(candidate.digest_hexes.begin(), descriptor.hex);
    if (may_be_index(descriptor) && find_document(report_, descriptor.path()) != nullptr) {
      const std::string name = "the index sha256:" + descriptor.hex;
      const json document = parse_document(described_document(report_, descriptor, "the index"),
                                           "bad_manifest", name);
      if (is_index(descriptor, document)) return add_index(document, name, candidate, depth + 1);
    }
    candidate.platform = platform_of(entry);
    candidate.open = [this_report = &report_, descriptor] {
      return open_manifest(*this_report, descriptor);
    };
    add_candidate(std::move(candidate));
  }

  void add_candidate(ImageCandidate candidate) {
    for (ImageCandidate& known : candidates_) {
      if (known.digest_hexes.front() != candidate.digest_hexes.front()) continue;
      known.tags.insert(known.tags.end(), candidate.tags.begin(), candidate.tags.end());
      known.digest_hexes.insert(known.digest_hexes.end(), candidate.digest_hexes.begin(),
                                candidate.digest_hexes.end());
      return;
    }
    candidates_.push_back(std::move(candidate));
  }

  const UnpackReport& report_;
  std::size_t entries_ = 0;
  std::size_t indexes_ = 0;  // each is parsed as often as it is named
  std::vector<ImageCandidate> candidates_;
};

}  // namespace

std::vector<ImageCandidate> oci_candidates(const UnpackReport& report) {
  const std::string* const bytes = find_document(report, kIndex);
  if (bytes == nullptr) return {};
  Listing listing(report);
  listing.add_index(parse_document(*bytes, "bad_manifest", kIndex), kIndex, {}, 0);
  return listing.take();
}

}  // namespace image
