// Every input that a fuzz target once failed on, run through the same target without libFuzzer: a
// bug that was fixed stays fixed, in every build of the unit tests.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "oci/sys/file.h"
#include "tests/fuzz/fuzz_target.h"

// Of targets that prepare something, as libFuzzer calls it.
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* argc, char*** argv);

namespace {

constexpr std::size_t kInputBytes = 1U << 20;

std::vector<std::filesystem::path> findings() {
  std::vector<std::filesystem::path> paths;
  if (std::filesystem::is_directory(FINDINGS)) {
    for (const auto& entry : std::filesystem::directory_iterator(FINDINGS)) {
      paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

TEST_CASE("what the fuzzer found stays fixed") {
  if (LLVMFuzzerInitialize != nullptr) {
    std::string name = "replay";
    char* arguments[] = {name.data(), nullptr};
    char** argv = arguments;
    int argc = 1;
    try {
      LLVMFuzzerInitialize(&argc, &argv);
    } catch (const std::system_error& error) {
      MESSAGE("skipped: a throw-away root cannot be made here: " << error.what());
      return;
    }
  }
  LLVMFuzzerTestOneInput(nullptr, 0);
  for (const std::filesystem::path& path : findings()) {
    CAPTURE(path);
    const std::string bytes = sys::read_file(path, kInputBytes);
    CHECK(LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                 bytes.size()) == 0);
  }
}
