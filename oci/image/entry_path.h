// The name of an archive entry, taken apart: components only, no `..`, no empty one. And the marks
// that layers leave (OCI image-spec, layer.md "Whiteouts"). Throws sys::Refused. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/image/quota.h"

namespace image {

// In a layer, `.wh.NAME` deletes NAME of the layers below, and this one hides all that they have in
// the directory. Everything else that begins with `.wh..wh.` is AUFS's own and is ignored.
constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kReservedPrefix = ".wh..wh.";
constexpr std::string_view kOpaqueMarker = ".wh..wh..opq";
// Ours: this directory had no entry of its own in the layer; it is there because something lies in
// it. What a lower layer says about the directory stays.
constexpr std::string_view kImpliedMarker = ".wh..wh..implied";
// Ours: NAME is a hard link to a file of a lower layer; the marker's content is its path.
constexpr std::string_view kLinkMarkerPrefix = ".wh..wh..link.";

// "/a/./b" as {"a", "b"}; the root as {}. A leading '/' is the root of the layer, wherever that is.
// Refused: `..` ("unsafe_path"), a component or path that Linux cannot store ("bad_name"), more
// than quota.path_depth of them ("too_large").
std::vector<std::string> split_entry_path(std::string_view path, const Quota& quota);

// An absolute path without `.`, `..` and empty components, worked out from its text alone; empty if
// `path` is not absolute.
std::string normal_path(std::string_view path);

std::string join_path(const std::vector<std::string>& components);
// `directory` may be empty, which is the root.
std::string join_path(const std::string& directory, const std::string& name);

}  // namespace image
