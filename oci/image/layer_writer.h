// Turns the entries of one layer into a tree below a directory, as they come; the last one of a
// name wins. Whiteouts stay in the tree as plain marker files (entry_path.h): they speak of layers
// that only the composer sees. Runs in the confined process; every path is resolved below the
// layer's own root all the same. Order of the metadata as umoci explains it: owner, then mode
// (chown clears setuid), then attributes, then times; times of directories last, because filling
// one changes it. Throws sys::Refused, std::system_error. One thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "oci/image/archive.h"
#include "oci/image/quota.h"
#include "oci/image/tree.h"
#include "oci/sys/unique_fd.h"

namespace image {

// What all layers of an image together have used of the quota, and what was left out of them.
// Layers are written by several threads.
struct Budget {
  std::atomic<std::uint64_t> bytes = 0;
  std::atomic<std::uint64_t> entries = 0;
  std::atomic<std::uint64_t> special_files = 0;  // device nodes, fifos, sockets: not created
  std::atomic<std::uint64_t> attributes = 0;     // other than user.* and security.capability
};

class LayerWriter {
 public:
  // `root_path` names the same directory as `root`.
  LayerWriter(sys::UniqueFd root, std::filesystem::path root_path, const Quota& quota,
              Budget& budget);

  // Reads the entry's content from `stream`.
  void add(const Entry& entry, TarStream& stream);
  // After the last entry: the times of the directories.
  void finish();

 private:
  struct Parent {
    sys::UniqueFd fd;
    std::string path;  // resolved: no component is a symbolic link
  };

  void add_below_root(const Entry& entry, TarStream& stream);
  void add_root(const Entry& entry);
  void add_file(const Entry& entry, TarStream& stream, const std::string& name);
  void add_directory(const Entry& entry, const std::string& name);
  void add_symlink(const Entry& entry, const std::string& name);
  void add_hard_link(const Entry& entry, const std::string& name);
  void add_marker(int dir_fd, const std::string& name);
  void add_link_marker(const Entry& entry, const std::string& name, const std::string& target);
  void leave_out(const Entry& entry, const std::string& name);

  void open_parent(const std::vector<std::string>& components);
  std::string resolve_directory(std::vector<std::string> pending);
  void splice_link(const std::string& target, std::vector<std::string>& resolved,
                   std::vector<std::string>& pending) const;
  void make_implied(int dir_fd, const std::string& name);
  void remove_existing(const std::string& name, const struct stat& existing);
  void set_metadata(int fd, const Entry& entry);
  void set_xattrs(int fd, const Entry& entry);
  void charge_entry();

  sys::UniqueFd root_;
  std::filesystem::path root_path_;
  const Quota& quota_;
  Budget& budget_;
  std::string parent_key_;  // the directory as the last entry wrote it, and where that led
  Parent parent_;
  std::map<std::string, timespec> directory_times_;  // by resolved path
  std::map<std::string, std::string> lower_links_;   // hard links to lower layers: path → target
  std::set<std::string> left_out_;                   // special files, for hard links to them
};

}  // namespace image
