// What a terminal is and what may be shown on one. Names, labels and commands come from images and
// from the daemon's messages about them: nothing of that may move the cursor, forge a line or
// reorder text. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace cli {

bool is_terminal(int fd) noexcept;
// Its width, 80 if it does not say.
int terminal_columns(int fd) noexcept;

// The text with control characters (C0, DEL, C1), bidirectional overrides and bytes that are not
// UTF-8 shown as \xNN or \u{NNNN}; everything else as it is.
std::string printable(std::string_view text);
// How many columns `printable` text takes, one for each character.
std::size_t column_count(std::string_view text);

}  // namespace cli
