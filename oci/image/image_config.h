// The image config as registries and `docker save` write it, read into the fields that we use.
// Source: OCI image-spec, config.md. Throws sys::Refused(invalid, "bad_config"). Any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "oci/image/image.h"

namespace image {

struct ParsedConfig {
  ImageConfig config;
  std::vector<std::string> diff_ids;  // 64 hex digits each, from the lowest layer up
};

// What images for this machine name it: "amd64", "arm64", …; GOARCH.
std::string host_architecture();

// A document of any kind, or Refused(invalid, `code`) that names `what`.
nlohmann::json parse_document(std::string_view text, const std::string& code,
                              const std::string& what);

// The number `name` of an object. Throws json::exception for anything but a whole, positive one:
// the library would convert a 1e300 in whatever way the processor does.
std::uint64_t number_in(const nlohmann::json& object, const char* name);

ParsedConfig parse_config(const nlohmann::json& document);

}  // namespace image
