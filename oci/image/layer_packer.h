// Writes a directory as one layer of an image, in an order that only the names decide. Every file
// is reached by descriptor and no symbolic link in the tree is followed; content passes through one
// buffer. What a layer cannot hold is left out and told. One thread. Throws sys::Refused(invalid)
// for a tree that cannot be read or that changes meanwhile, and what the writer throws.
// Source: OCI image-spec, layer.md.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "oci/image/archive_writer.h"
#include "oci/sys/unique_fd.h"

namespace image {

using FileId = std::pair<dev_t, ino_t>;

struct LayerSource {
  std::filesystem::path directory;
  bool keep_owners = false;           // else everything belongs to root
  std::optional<std::time_t> newest;  // no later modification time than this one
  std::optional<FileId> output;       // refused when it is met: it would hold itself
  // Told of a name, and why it is not in the layer.
  std::function<void(const std::string& path, const std::string& reason)> left_out;
};

class LayerPacker {
 public:
  // Both are borrowed.
  LayerPacker(const LayerSource& source, TarWriter& writer);

  // Writes every entry; the directory itself has none, so that its own mode and time do not count.
  void pack();

 private:
  struct Level {
    sys::UniqueFd fd;
    std::string path;                // below the source, empty for itself
    std::vector<std::string> names;  // sorted
    std::size_t next = 0;
  };

  void enter(sys::UniqueFd fd, const std::string& path);
  void add(int dir_fd, const std::string& name, const std::string& path);
  void add_file(int dir_fd, const std::string& name, const std::string& path,
                const struct stat& listed);
  void add_directory(int dir_fd, const std::string& name, const std::string& path,
                     const struct stat& listed);
  bool add_as_hard_link(const std::string& path, const struct stat& st);
  void copy_content(int fd, const std::string& path, const struct stat& st);
  Entry entry_of(const std::string& path, const struct stat& st) const;
  std::vector<Xattr> xattrs_of(int fd, const std::string& path) const;
  void leave_out(const std::string& path, const std::string& reason) const;
  [[noreturn]] void changed(const std::string& path) const;
  std::string shown(const std::string& path) const;
  // Runs `read`, whose failure is the tree's.
  template <typename Read>
  auto reading(const std::string& path, Read read) const;

  const LayerSource& source_;
  TarWriter& writer_;
  std::vector<Level> levels_;
  std::map<FileId, std::string> linked_;  // files with several names → the first one
  std::vector<char> buffer_;
};

}  // namespace image
