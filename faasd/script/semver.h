// Versions made of numbers and dots, and what selects some of them: "*", "3", "3.11.x", "^3.1",
// "~3.11", "=3.11.2", ">=3 <4", "3.9 - 3.11", "3 || 2". semver.org and node-semver's ranges, as far
// as languages have such versions. Pure.
#pragma once

#include <string_view>

namespace script {

// Less than, equal to or greater than 0, by numbers: "3.9" is before "3.11".
int compare_versions(std::string_view left, std::string_view right);

// False for a selector that means nothing.
bool selects(std::string_view selector, std::string_view version);

}  // namespace script
