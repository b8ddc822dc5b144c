// A store in a directory of its own, beside a canary that no import may touch. Everything that a
// test of imports looks at afterwards: the tree, the descriptors, the children.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "oci/image/image_store.h"
#include "oci/sys/error.h"
#include "oci/sys/log.h"

// Skips the test, and says why, where confinement cannot be had.
#define NEEDS_ROOT()                                                                       \
  if (!fixture::can_unpack()) {                                                            \
    MESSAGE("skipped: unpacking confines itself in namespaces of its own and needs root"); \
    return;                                                                                \
  }

namespace fixture {

bool can_unpack();

// path → type, mode, owner, size or target, digest; times where `with_times`.
using Tree = std::map<std::string, std::string>;
Tree tree_of(const std::filesystem::path& root, bool with_times = false);

std::size_t open_descriptors();
// Children of this process, zombies included.
std::size_t children();

class TemporaryDirectory {
 public:
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct Outcome {
  std::shared_ptr<const image::Image> image;
  std::string code;  // of the refusal; empty if there was none
  std::string message;
  sys::Refusal reason{};
};

class Store {
 public:
  explicit Store(const image::Quota& quota = {},
                 std::chrono::milliseconds patience = image::kUnpackPatience,
                 const std::string& program = UNPACK_CHILD);

  // Feeds the archive in pieces of that size. After a refusal the state directory, the canary, the
  // descriptors and the children are checked to be what they were.
  Outcome import(const std::string& archive, std::size_t piece = 64 << 10);

  std::filesystem::path state() const { return directory_.path() / "state"; }
  std::filesystem::path canary() const { return directory_.path() / "outside"; }
  std::unique_ptr<image::ImageStore>& store() { return store_; }
  void reopen();

 private:
  TemporaryDirectory directory_;
  image::Quota quota_;
  std::chrono::milliseconds patience_;
  std::string program_;
  sys::Log log_{sys::LogLevel::error, sys::LogFormat::text};
  std::unique_ptr<image::ImageStore> store_;
};

std::string read(const std::filesystem::path& path);

}  // namespace fixture
