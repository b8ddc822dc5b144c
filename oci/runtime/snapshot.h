// The memory of a handler that had nothing left to do but to ask for its connection; containers of
// the same image start from it instead of from their program. Written and mapped by programs inside
// of containers (handlers/branch/snapshot.h): to faasd it is bytes, of which it reads a verdict. A
// file in memory that belongs to nobody's file system. Immutable once it is sealed; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "oci/sys/unique_fd.h"

namespace runtime {

// Our programs that write one and begin with one, for sys::find_own_program; only some processors
// have them.
inline constexpr const char* kFreezer = "faas-freeze";
inline constexpr const char* kRestorer = "faas-branch";

class Snapshot {
 public:
  // Empty but for the code that is to write it, from this file (handlers/branch/freeze.c). Throws
  // std::system_error.
  explicit Snapshot(const std::filesystem::path& code);

  // To be written.
  int fd() const noexcept { return file_.get(); }
  // To be mapped: for one container, which shares no more with the next than what it reads.
  sys::UniqueFd open() const;

  // When no process has it any more: nobody writes to it from now on. Throws sys::Refused(failed,
  // "no_snapshot") with what the handler said if it is none.
  void seal();

  // What it takes of the host's memory at most, once it is sealed: to read where nothing was
  // written takes memory as well.
  std::uint64_t memory_bytes() const;

 private:
  sys::UniqueFd file_;
};

}  // namespace runtime
