// What people write about an image on a command line, made into what its config says: commands,
// labels, tags, times. Pure functions. Throw Failure(usage) that names the flag.
#pragma once

#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cli {

// One word, as it is, or several as a JSON list. A shell's line is refused: it would need a shell
// in the image.
std::vector<std::string> command_words(const std::string& flag, const std::string& text);

// "KEY=VALUE", cut at the first '='.
std::pair<std::string, std::string> key_and_value(const std::string& flag, const std::string& text);

// "NAME:TAG" for "NAME:TAG" or "NAME", which means NAME:latest. Source: distribution, reference.
std::string full_tag(const std::string& text);

// SOURCE_DATE_EPOCH: seconds since 1970. https://reproducible-builds.org/specs/source-date-epoch/
std::time_t source_date_epoch(std::string_view text);

}  // namespace cli
