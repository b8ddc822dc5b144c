// Files that are nowhere but in memory, and go with their last descriptor. memfd_create(2). Any
// thread.
#pragma once

#include <cstdint>

#include "oci/sys/unique_fd.h"

namespace sys {

// Empty; whoever has the descriptor may write to it, and nobody but root may open it anew or set
// its attributes. `name` is what /proc shows. Throws std::system_error.
UniqueFd make_memory_file(const char* name);

// To be read, with a position and flags of its own. For root. Throws std::system_error.
UniqueFd reopen_memory_file(int fd);

// Nobody changes it from now on. Throws std::system_error, EBUSY if somebody has it mapped to write
// to it.
void seal_memory_file(int fd);

// What it takes of the host's memory if all of it is looked at. Throws std::system_error.
std::uint64_t memory_of_file(int fd);

}  // namespace sys
