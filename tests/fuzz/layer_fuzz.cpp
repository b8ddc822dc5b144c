// Drives: TarStream → LayerWriter (oci/image/layer_writer.h) for one to three layers (layers.h),
// then RootfsComposer over them, in a throw-away root (throw_away_root.h), as root and without the
// confinement that the daemon puts around it: what is tested here is that the code itself stays in.
// Aborts if: anything outside the root was changed or read; a layer's tree is over the quota, has a
// special file, or an attribute other than user.* and security.capability; composing changed a
// layer; the composed tree has a whiteout's name in it, or another size than size_bytes() says.
#include <sys/stat.h>
#include <sys/xattr.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "oci/image/archive.h"
#include "oci/image/entry_path.h"
#include "oci/image/layer_writer.h"
#include "oci/image/rootfs_composer.h"
#include "oci/sys/file.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/layers.h"
#include "tests/fuzz/throw_away_root.h"

namespace {

namespace fs = std::filesystem;

// Small, so that an input of some kilobytes can go over each of them.
image::Quota small_quota() {
  image::Quota quota;
  quota.unpacked_bytes = 1U << 20;
  quota.file_bytes = 256U << 10;
  quota.stream_bytes = 1U << 20;
  quota.entries = 200;
  quota.path_depth = 12;
  quota.ratio_free_bytes = 64U << 10;
  return quota;
}

// Made once, before the first input.
std::unique_ptr<fuzz::ThrowAwayRoot>& throw_away_root() {
  static std::unique_ptr<fuzz::ThrowAwayRoot> root;
  return root;
}

struct stat stat_of(const fs::path& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) sys::throw_errno("lstat " + path.string());
  return st;
}

void require_plain_attributes(const fs::path& path) {
  static std::vector<char> names(64U << 10);  // what llistxattr(2) can give back at most
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  for (ssize_t at = 0; at < size;) {
    const std::string_view name(names.data() + at);
    fuzz::require(name.starts_with("user.") || name == "security.capability",
                  "no such attribute is stored: " + std::string(name));
    at += static_cast<ssize_t>(name.size()) + 1;
  }
}

class Layers {
 public:
  Layers(const fs::path& root, const image::Quota& quota)
      : quota_(quota), layers_(root / "layers"), rootfs_(root / "rootfs") {
    fs::create_directory(layers_);
    fs::create_directory(rootfs_);
  }

  bool write(std::string_view tar) {
    const fs::path path = layers_ / std::to_string(count_++);
    fs::create_directory(path);
    const fuzz::Outcome outcome = fuzz::outcome_of([&] {
      image::LayerWriter writer(sys::open_directory(path), path, quota_, budget_);
      bool taken = false;
      image::TarStream stream(
          "the layer", image::TarStream::Role::layer,
          [&] { return std::exchange(taken, true) ? std::string_view() : tar; }, quota_, inflated_);
      while (const std::optional<image::Entry> entry = stream.next()) writer.add(*entry, stream);
      writer.finish();
    });
    return outcome.accepted;
  }

  // True of layers that were refused as well: a quota holds at any time.
  void require_within_quota() const {
    std::size_t names = 0;
    std::uint64_t bytes = 0;
    std::set<ino_t> inodes;  // a file with several names takes its space once
    for (auto it = fs::recursive_directory_iterator(layers_); it != fs::end(it); ++it) {
      const struct stat st = stat_of(it->path());
      const auto size = static_cast<std::uint64_t>(st.st_size);
      ++names;
      fuzz::require(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode),
                    "a layer's tree has no special file");
      // layers/ and N/ stand above, the file itself below.
      fuzz::require(static_cast<std::uint64_t>(it.depth()) <= quota_.path_depth + 1,
                    "a layer's tree is not deeper than the quota");
      if (S_ISREG(st.st_mode)) {
        fuzz::require(size <= quota_.file_bytes, "no file is over the quota");
        if (inodes.insert(st.st_ino).second) bytes += size;
      }
      require_plain_attributes(it->path());
    }
    // A directory that no entry names costs one entry and comes with its marker.
    fuzz::require(names <= 2 * quota_.entries + 2 * count_, "there are no more names than allowed");
    fuzz::require(bytes <= quota_.unpacked_bytes, "all files together are within the quota");
  }

  void compose() {
    const fuzz::TreeState before = fuzz::state_of(layers_, false);
    fuzz::outcome_of([&] {
      image::RootfsComposer composer(sys::open_directory(rootfs_), quota_);
      for (std::size_t i = 0; i < count_; ++i) {
        composer.apply_layer(sys::open_directory(layers_ / std::to_string(i)).get());
        fuzz::require(composer.size_bytes() == size_of_rootfs(), "size_bytes() is what is there");
      }
      composer.make_mount_points();
      composer.make_working_dir("/srv/a/b");
      fuzz::require(composer.size_bytes() == size_of_rootfs(), "size_bytes() is what is there");
      require_mount_points();
    });
    fuzz::require(fuzz::state_of(layers_, false) == before, "composing leaves the layers alone");
  }

 private:
  std::uint64_t size_of_rootfs() const {
    std::uint64_t bytes = 0;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(rootfs_)) {
      const struct stat st = stat_of(entry.path());
      fuzz::require(!entry.path().filename().string().starts_with(image::kWhiteoutPrefix),
                    "no whiteout comes to the rootfs: " + entry.path().string());
      if (S_ISREG(st.st_mode)) bytes += static_cast<std::uint64_t>(st.st_size);
    }
    return bytes;
  }

  void require_mount_points() const {
    for (const char* name : {"proc", "sys", "dev", "tmp"}) {
      const fs::path path = rootfs_ / name;
      fuzz::require(S_ISDIR(stat_of(path).st_mode) && fs::is_empty(path),
                    std::string("a mount point is an empty directory: ") + name);
    }
    const struct stat socket = stat_of(rootfs_ / "control.sock");
    fuzz::require(S_ISREG(socket.st_mode) && socket.st_size == 0 && socket.st_nlink == 1,
                  "control.sock is a file of its own");
  }

  const image::Quota& quota_;
  const fs::path layers_;
  const fs::path rootfs_;
  std::size_t count_ = 0;
  image::Budget budget_;
  std::atomic<std::uint64_t> inflated_ = 0;
};

}  // namespace

// libFuzzer writes to its directories while the rest of the machine is read-only to it.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  constexpr std::string_view kArtifacts = "-artifact_prefix=";
  std::vector<fs::path> writable;
  for (int i = 1; i < *argc; ++i) {
    std::string_view argument = (*argv)[i];
    if (argument.starts_with(kArtifacts)) argument.remove_prefix(kArtifacts.size());
    if (fs::is_directory(argument)) writable.push_back(fs::absolute(argument));
  }
  throw_away_root() = std::make_unique<fuzz::ThrowAwayRoot>(writable);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const image::Quota quota = small_quota();
  fuzz::ThrowAwayRoot& root = *throw_away_root();
  Layers layers(root.reset(), quota);
  bool accepted = true;
  for (const std::string_view tar : fuzz::split_layers(fuzz::text_of(bytes, size))) {
    accepted = accepted && layers.write(tar);
  }
  layers.require_within_quota();
  root.require_untouched();
  if (accepted) {
    layers.compose();
    root.require_untouched();
  }
  return 0;
}
