// A function as the API shows it: what is stored of it (function::to_json), its image, and counts
// of the moment. Pure. Strings that are not UTF-8 are written with U+FFFD, so `to_text` never
// throws for them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "faasd/control/operator.h"

namespace api {

nlohmann::json to_json(const control::FunctionStatus& status);

// The versions that are kept of the function `name`, the current one first.
nlohmann::json to_json(const std::string& name, const std::vector<function::Version>& versions);

nlohmann::json to_json(const control::Collected& collected);

// The three members that an entry of GET /api/list has.
nlohmann::json to_list_entry(const control::FunctionStatus& status);

}  // namespace api
