// Looking things up in what an archive held: documents by name, through links, and by the digest
// that another document promises. Throws sys::Refused(invalid) with what is missing or wrong. Any
// thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "oci/image/unpack_protocol.h"

namespace image {

// "./a//b" as the report has it: "a/b".
std::string plain_path(const std::string& path);

// The member that the link `path` means by `target`: worked out from the names, nothing is
// followed. Engine 20.10 writes a layer that occurs twice as a link to the first,
// "../<id>/layer.tar". A symbolic link starts from its directory, a hard link from the root of the
// archive.
enum class LinkKind { symbolic, hard };
std::string linked_path(const std::string& path, const std::string& target, LinkKind kind);

// The member that `path` stands for.
std::string follow_links(const UnpackReport& report, std::string path);

// The document of this name; null if there is none. Throws "too_large" if there is one, but larger
// than a document may be.
const std::string* find_document(const UnpackReport& report, const std::string& path);

// `code` for something that is not there, or "truncated_archive" if the archive was cut off.
[[noreturn]] void refuse_absent(const UnpackReport& report, const std::string& code,
                                const std::string& message);

// `path` was to have the digest `expected_hex`.
void check_digest(const std::string& path, const std::string& expected_hex,
                  const std::string& actual_hex);

// Programs name members after their digest in several ways ("<hex>.json", "blobs/sha256/<hex>",
// "sha256:<hex>"); where a name promises one, it must be true.
void check_name(const std::string& path, const std::string& actual_hex);

// What one document says of another blob. Source: OCI image-spec, descriptor.md.
struct Descriptor {
  std::string hex;
  std::uint64_t size = 0;
  std::string media_type;

  std::string path() const { return "blobs/sha256/" + hex; }
};

// `what` names the document that it stands in.
Descriptor parse_descriptor(const nlohmann::json& value, const std::string& what);

// The document that a descriptor speaks of: there, of its size and its digest.
const std::string& described_document(const UnpackReport& report, const Descriptor& descriptor,
                                      const std::string& what);

}  // namespace image
