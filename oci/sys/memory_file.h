// Files that are nowhere but in memory, and go with their last descriptor. memfd_create(2). Any
// thread.
#pragma once

#include <cstdint>

#include "oci/sys/unique_fd.h"

namespace sys {

// Empty; whoever has it may write to it. `name` is what /proc shows. Throws std::system_error.
UniqueFd make_memory_file(const char* name);

// Nobody changes it from now on. Throws std::system_error, EBUSY if somebody has it mapped to write
// to it.
void seal_memory_file(int fd);

// What it takes of the host's memory. Throws std::system_error.
std::uint64_t memory_of_file(int fd);

}  // namespace sys
