// Functions as text for people: the tables of `faas list` and `faas versions` and `faas
// runtime list`, the pages of `faas describe`.
// Everything that comes from the daemon is made printable here. Pure functions.
#pragma once

#include <string>

#include "faas-cli/answer_json.h"

namespace cli {

// `functions` is the array of GET /v1/functions.
std::string list_text(const Json& functions);
// `versions` is the array of GET /v1/functions/NAME/versions.
std::string versions_text(const Json& versions);
// The languages that are installed: `language`, `version`, `aliases`, `function` and `image`.
std::string runtimes_text(const Json& runtimes);
// One function, every field of it, those this program does not know included.
std::string describe_text(const Json& function);

}  // namespace cli
