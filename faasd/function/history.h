// The versions of a function that are kept: the current one, and earlier ones to go back to.
// Linear: a rollback is a new version with everything of an old one. A plain value; what one file
// holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "faasd/function/function.h"

namespace function {

struct History {
  Function current;
  std::vector<Version> previous;  // the latest first
};

// What follows a deploy or a rollback: `next`, with the number after the current one's, is current;
// of all versions the latest `keep` stay, or fewer, if one file cannot hold them.
History succeed(const History& old, const Version& next, std::size_t keep);

// Throws sys::Refused(not_found, "unknown_version") that names those there are.
const Version& version_of(const History& history, std::uint64_t number);
// The version before the current one. Throws the same.
const Version& version_before(const History& history);

// The digests that it names.
std::set<std::string> images_of(const History& history);

// Its file. Whatever is no UTF-8 is written with U+FFFD.
std::string to_text(const History& history);
// Throws sys::Refused(invalid, "corrupt_function") that names the field. A file without earlier
// versions, as there were before they were kept, has none.
History history_from_json(const nlohmann::json& json);

}  // namespace function
