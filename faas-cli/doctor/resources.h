// What the host has left: memory, disk and inodes for images, file descriptors; and whether the
// user ids of functions are theirs alone. proc(5), statvfs(3), getrlimit(2), subuid(5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "faas-cli/doctor/check.h"

namespace cli::doctor {

Check check_memory(const Host& host);
Check check_disk(const Host& host);
Check check_inodes(const Host& host);
Check check_descriptors();
Check check_user_ids(const Host& host);

// Inclusive.
struct IdRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};
// The ranges of /etc/subuid or /etc/subgid; lines that are none are passed over.
std::vector<IdRange> parse_subordinate_ids(std::string_view text);
// The first of them that has an id of those that functions have.
std::optional<IdRange> first_overlap(const std::vector<IdRange>& ranges);

}  // namespace cli::doctor
