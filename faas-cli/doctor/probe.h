// How the checks read the host's small text files. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "faas-cli/doctor/check.h"

namespace cli::doctor {

// A file below the root ("proc/meminfo"); empty if it is not there. Throws std::system_error.
std::optional<std::string> read_text(const Host& host, std::string_view path);

std::vector<std::string> split_lines(std::string_view text);
std::vector<std::string> split_words(std::string_view text);
// The rest of the line that starts with `key`, trimmed: of "MemTotal:  5 kB", "5 kB".
std::optional<std::string> value_after(std::string_view text, std::string_view key);

}  // namespace cli::doctor
