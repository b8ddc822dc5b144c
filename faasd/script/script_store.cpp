#include "faasd/script/script_store.h"

#include <chrono>
#include <string_view>

#include "faasd/function/bounds.h"
#include "oci/sys/error.h"

namespace script {
namespace {

namespace bounds = function::bounds;

void check(std::string_view what, std::size_t size, std::size_t most) {
  if (size <= most) return;
  throw sys::Refused(sys::Refusal::too_large, "script_too_large",
                     "the script's " + std::string(what) + " has " + std::to_string(size) +
                         " bytes; at most " + std::to_string(most) + " are kept");
}

}  // namespace

void check_bounds(const Upload& upload) {
  if (upload.path.empty()) {
    throw sys::Refused(sys::Refusal::invalid, "bad_path", "a script needs a path");
  }
  check("path", upload.path.size(), bounds::kMaxScriptPath);
  check("language", upload.language.size(), bounds::kMaxLanguageBytes);
  check("code", upload.code.size(), bounds::kMaxCodeBytes);
  check("compiled code", upload.compiled.size(), bounds::kMaxCompiledBytes);
}

std::uint64_t version_now() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(since_1970).count());
}

}  // namespace script
