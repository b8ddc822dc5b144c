// What all fuzz targets share: the entry points that libFuzzer calls, and the line between a
// refusal, which hostile input is supposed to get, and a bug. A bug ends the process: libFuzzer
// then keeps the input. Source: llvm.org/docs/LibFuzzer.html. One thread.
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "oci/sys/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

namespace fuzz {

// An invariant: what must be true whatever the input is.
inline void require(bool holds, const std::string& invariant) {
  if (holds) return;
  std::fprintf(stderr, "broken invariant: %s\n", invariant.c_str());
  std::abort();
}

// Errors that say something about us, never about the input: a descriptor that is none or one too
// many (a leak), a bad pointer, a write to what a target has made read-only.
inline bool is_own_fault(const std::error_code& code) {
  for (const int error : {EBADF, EFAULT, EMFILE, ENFILE, EROFS}) {
    if (code == std::error_code(error, std::generic_category())) return true;
  }
  return false;
}

struct Outcome {
  bool accepted = false;
  std::string code;  // of the refusal; "system_error" for a failed kernel call
};

// Runs `work`. sys::Refused and std::system_error are outcomes; any other exception is a crash.
template <typename Work>
Outcome outcome_of(Work&& work) {
  try {
    std::forward<Work>(work)();
    return {true, {}};
  } catch (const sys::Refused& refused) {
    require(!refused.code().empty(), "a refusal has a code");
    require(*refused.what() != '\0', "a refusal says why");
    return {false, refused.code()};
  } catch (const std::system_error& error) {
    const bool ours = is_own_fault(error.code());
    require(!ours, std::string("no input causes: ") + error.what());
    return {false, "system_error"};
  }
}

inline std::string_view text_of(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace fuzz
