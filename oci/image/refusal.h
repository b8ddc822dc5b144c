// How the image layer says no: short makers of sys::Refused, and hostile names made fit to print.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "oci/sys/error.h"

namespace image {

// `text` with control and non-ASCII bytes as \xNN, cut to a length that fits a message.
std::string printable(std::string_view text);

// Refusal::invalid: the archive is wrong.
[[noreturn]] void refuse(const std::string& code, const std::string& message);

// Refusal::too_large, "too_large": `what` is over `limit` of `unit`.
[[noreturn]] void refuse_too_large(const std::string& what, std::uint64_t limit,
                                   const std::string& unit);

// Refusal::too_large, "too_much_memory": of the unpacking process.
[[noreturn]] void refuse_memory();

// Refusal::unavailable, "stopping": the daemon ends.
[[noreturn]] void refuse_while_stopping();

// The Refused for a call that failed while an image was on its way: a full disk is the caller's to
// know, and what took too much memory; the rest is ours.
sys::Refused refusal_of(const std::exception& error);

}  // namespace image
