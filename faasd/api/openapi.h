// The description of the HTTP interface for machines, docs/openapi.yaml as JSON. Made by openapi.py
// when the daemon is built, so that it is that of this daemon.
#pragma once

#include <string_view>

namespace api {

extern const std::string_view kOpenApi;

}  // namespace api
