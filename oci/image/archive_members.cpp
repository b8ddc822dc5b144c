#include "oci/image/archive_members.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "oci/image/digest.h"
#include "oci/image/entry_path.h"
#include "oci/image/refusal.h"

namespace image {

using nlohmann::json;

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

std::string linked_path(const std::string& path, const std::string& target, LinkKind kind) {
  std::string from;
  if (kind == LinkKind::symbolic && !target.starts_with('/')) {
    const std::size_t slash = path.rfind('/');
    if (slash != std::string::npos) from = path.substr(0, slash);
  }
  return normal_path("/" + from + "/" + target).substr(1);
}

std::string follow_links(const UnpackReport& report, std::string path) {
  for (int links = 0; links < kLinksInPath; ++links) {
    const auto link = report.links.find(path);
    if (link == report.links.end()) return path;
    path = link->second;
  }
  return path;
}

const std::string* find_document(const UnpackReport& report, const std::string& path) {
  const std::string target = follow_links(report, path);
  if (report.oversized.contains(target)) {
    refuse_too_large("the document '" + printable(path) + "'", Quota{}.document_bytes, "bytes");
  }
  const auto found = report.documents.find(target);
  return found == report.documents.end() ? nullptr : &found->second;
}

void refuse_absent(const UnpackReport& report, const std::string& code,
                   const std::string& message) {
  if (report.has_end_mark) refuse(code, message);
  refuse("truncated_archive", message + ", and the archive has no end mark: it was cut off");
}

void check_digest(const std::string& path, const std::string& expected_hex,
                  const std::string& actual_hex) {
  if (expected_hex == actual_hex) return;
  refuse("digest_mismatch", "'" + printable(path) + "' has the digest sha256:" + actual_hex +
                                ", not sha256:" + expected_hex + ": it was changed on its way");
}

void check_name(const std::string& path, const std::string& actual_hex) {
  std::string name = path.substr(path.rfind('/') + 1);
  if (name.starts_with("sha256:")) name = name.substr(7);
  name = name.substr(0, name.find('.'));
  if (is_sha256_hex(name)) check_digest(path, name, actual_hex);
}

Descriptor parse_descriptor(const json& value, const std::string& what) {
  const auto digest = value.is_object() ? value.find("digest") : value.end();
  const auto size = value.is_object() ? value.find("size") : value.end();
  if (!value.is_object() || digest == value.end() || !digest->is_string() || size == value.end() ||
      !size->is_number_unsigned()) {
    refuse("bad_manifest", what + " has a descriptor without a digest and a size");
  }
  Descriptor descriptor;
  descriptor.hex = hex_of_digest(digest->get_ref<const std::string&>());
  if (descriptor.hex.empty()) {
    refuse("bad_manifest", what + " names '" + printable(digest->get_ref<const std::string&>()) +
                               "'; only sha256:<64 hex digits> is understood");
  }
  descriptor.size = size->get<std::uint64_t>();
  const auto media_type = value.find("mediaType");
  if (media_type != value.end() && media_type->is_string()) {
    descriptor.media_type = media_type->get<std::string>();
  }
  return descriptor;
}

const std::string& described_document(const UnpackReport& report, const Descriptor& descriptor,
                                      const std::string& what) {
  const std::string path = descriptor.path();
  const std::string* const document = find_document(report, path);
  if (document == nullptr) {
    refuse_absent(report, "missing_blob",
                  what + " '" + path + "' is not in the archive, or is no JSON");
  }
  if (document->size() != descriptor.size) {
    refuse("digest_mismatch", what + " '" + path + "' has " + std::to_string(document->size()) +
                                  " bytes, not " + std::to_string(descriptor.size) +
                                  ": it was changed on its way");
  }
  check_digest(path, descriptor.hex, sha256_hex(*document));
  return *document;
}

}  // namespace image
