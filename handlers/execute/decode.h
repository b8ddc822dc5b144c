// Bytes that were written as text. Nothing if the text is none of the kind. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace execute {

std::optional<std::string> decode_hex(std::string_view text);

// RFC 4648, in both alphabets, padded or not; line breaks and blanks in it are passed over.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace execute
