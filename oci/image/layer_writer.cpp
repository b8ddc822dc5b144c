#include "oci/image/layer_writer.h"

#include <fcntl.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "oci/image/entry_path.h"
#include "oci/image/refusal.h"
#include "oci/sys/file.h"

namespace image {
namespace {

constexpr mode_t kImpliedMode = 0755;

Metadata metadata_of_entry(const Entry& entry) {
  return {entry.uid, entry.gid, entry.mode, entry.mtime};
}

// Nobody gains by them here: a container runs without new privileges.
bool is_capability(const Xattr& xattr) {
  return xattr.name == kCapabilityXattr && sys::may_be_file_capability(xattr.value);
}

[[noreturn]] void refuse_entry(const std::string& code, const Entry& entry,
                               const std::string& reason) {
  refuse(code, "the entry '" + printable(entry.path) + "' " + reason);
}

}  // namespace

LayerWriter::LayerWriter(sys::UniqueFd root, std::filesystem::path root_path, const Quota& quota,
                         Budget& budget)
    : root_(std::move(root)), root_path_(std::move(root_path)), quota_(quota), budget_(budget) {
  add_marker(root_.get(), std::string(kImpliedMarker));
}

void LayerWriter::charge_entry() {
  if (++budget_.entries > quota_.entries) {
    refuse_too_large("the image", quota_.entries, "files and directories");
  }
}

void LayerWriter::add(const Entry& entry, TarStream& stream) {
  charge_entry();
  try {
    add_below_root(entry, stream);
  } catch (const std::system_error& error) {
    sys::throw_errno(error.code().value(),
                     "unpack '" + printable(entry.path) + "': " + error.what());
  }
}

void LayerWriter::add_below_root(const Entry& entry, TarStream& stream) {
  std::vector<std::string> components = split_entry_path(entry.path, quota_);
  if (components.empty()) return add_root(entry);
  const std::string name = components.back();
  components.pop_back();
  for (const std::string& component : components) {
    if (component.starts_with(kReservedPrefix)) return;
    if (component.starts_with(kWhiteoutPrefix)) {
      refuse_entry("bad_whiteout", entry, "lies below a whiteout");
    }
  }
  if (name.starts_with(kReservedPrefix) && name != kOpaqueMarker) return;
  open_parent(components);
  if (name.starts_with(kWhiteoutPrefix)) {
    const std::string hidden = name.substr(kWhiteoutPrefix.size());
    if (hidden.empty() || hidden == "." || hidden == "..") {
      refuse_entry("bad_whiteout", entry, "is a whiteout of nothing");
    }
    return add_marker(parent_.fd.get(), name);
  }
  if (entry.type != Entry::Type::special) left_out_.erase(join_path(parent_.path, name));
  if (lower_links_.erase(join_path(parent_.path, name)) != 0) {
    unlink_at(parent_.fd.get(), std::string(kLinkMarkerPrefix) + name);
  }
  switch (entry.type) {
    case Entry::Type::file:
      return add_file(entry, stream, name);
    case Entry::Type::directory:
      return add_directory(entry, name);
    case Entry::Type::symlink:
      return add_symlink(entry, name);
    case Entry::Type::hard_link:
      return add_hard_link(entry, name);
    case Entry::Type::special:
      return leave_out(entry, name);
  }
}

void LayerWriter::add_root(const Entry& entry) {
  if (entry.type != Entry::Type::directory) {
    refuse_entry("bad_name", entry, "names the root, but is no directory");
  }
  unlink_at(root_.get(), std::string(kImpliedMarker));
  set_metadata(root_.get(), entry);
  directory_times_[""] = entry.mtime;
}

void LayerWriter::add_marker(int dir_fd, const std::string& name) {
  unlink_at(dir_fd, name);
  create_file_at(dir_fd, name);
}

// The layer's own tree loses what the name stood for; what lies below must not shine through
// either.
void LayerWriter::leave_out(const Entry& entry, const std::string& name) {
  ++budget_.special_files;
  if (const auto existing = stat_at(parent_.fd.get(), name)) remove_existing(name, *existing);
  left_out_.insert(join_path(parent_.path, name));
  if (name.size() + kWhiteoutPrefix.size() > kNameBytes) {
    refuse_entry("bad_name", entry, "is a special file with too long a name");
  }
  add_marker(parent_.fd.get(), std::string(kWhiteoutPrefix) + name);
}

void LayerWriter::add_file(const Entry& entry, TarStream& stream, const std::string& name) {
  if (entry.size > quota_.file_bytes) {
    refuse_too_large("the file '" + printable(entry.path) + "'", quota_.file_bytes, "bytes");
  }
  if ((budget_.bytes += entry.size) > quota_.unpacked_bytes) {
    refuse_too_large("the image", quota_.unpacked_bytes, "bytes of files");
  }
  std::optional<sys::UniqueFd> created = create_file_if_absent_at(parent_.fd.get(), name);
  if (!created) {
    if (const auto existing = stat_at(parent_.fd.get(), name)) remove_existing(name, *existing);
    created = create_file_at(parent_.fd.get(), name);
  }
  const sys::UniqueFd file = std::move(*created);
  std::uint64_t written = 0;
  while (const std::optional<Block> block = stream.next_block()) {
    if (block->offset > entry.size || block->bytes.size() > entry.size - block->offset) {
      refuse_entry("bad_layer", entry, "has more content than its header says");
    }
    write_at(file.get(), block->offset, block->bytes);
    written = block->offset + block->bytes.size();
  }
  if (written != entry.size) set_size(file.get(), entry.size);  // it ends with a hole
  set_metadata(file.get(), entry);
  set_mtime(file.get(), entry.mtime);
}

void LayerWriter::add_directory(const Entry& entry, const std::string& name) {
  const bool is_new = make_directory_at(parent_.fd.get(), name, S_IRWXU);
  if (!is_new) {
    const auto existing = stat_at(parent_.fd.get(), name);
    if (existing && !S_ISDIR(existing->st_mode)) {
      remove_existing(name, *existing);
      make_directory_at(parent_.fd.get(), name, S_IRWXU);
    }
  }
  const sys::UniqueFd directory = open_directory_at(parent_.fd.get(), name);
  if (!is_new) unlink_at(directory.get(), std::string(kImpliedMarker));
  set_metadata(directory.get(), entry);
  directory_times_[join_path(parent_.path, name)] = entry.mtime;
}

void LayerWriter::add_symlink(const Entry& entry, const std::string& name) {
  if (entry.link.empty() || entry.link.size() > kPathBytes) {
    refuse_entry("bad_link", entry, "is a symbolic link without a target, or with one too long");
  }
  if (const auto existing = stat_at(parent_.fd.get(), name)) remove_existing(name, *existing);
  make_symlink_at(entry.link, parent_.fd.get(), name);
  set_link_metadata(parent_.fd.get(), name, metadata_of_entry(entry));
}

// The target is looked for where the container would find it: below the layer's root, links
// resolved there. It is never made. One that is not there may be a file of a lower layer, which
// only the composer sees.
void LayerWriter::add_hard_link(const Entry& entry, const std::string& name) {
  std::vector<std::string> components = split_entry_path(entry.link, quota_);
  if (components.empty()) refuse_entry("bad_link", entry, "is a hard link to no file");
  const std::string path = join_path(components);
  const std::string target = components.back();
  components.pop_back();
  const std::string directory = join_path(components);
  if (left_out_.contains(path)) return leave_out(entry, name);
  const auto from =
      sys::open_in_root(root_.get(), directory.empty() ? "." : directory, O_RDONLY | O_DIRECTORY);
  const auto found = from ? stat_at(from->get(), target) : std::nullopt;
  const bool linkable = found && (S_ISREG(found->st_mode) || S_ISLNK(found->st_mode));
  if (target.starts_with(kWhiteoutPrefix) || (found && !linkable)) {
    refuse_entry("bad_link", entry,
                 "is a hard link to '" + printable(entry.link) + "', which is no file");
  }
  if (!found) {
    // A link to such a link means the same file.
    const auto lower = lower_links_.find(path);
    return add_link_marker(entry, name, lower == lower_links_.end() ? path : lower->second);
  }
  if (const auto existing = stat_at(parent_.fd.get(), name)) {
    if (existing->st_dev == found->st_dev && existing->st_ino == found->st_ino) return;
    remove_existing(name, *existing);
  }
  if (link_at(from->get(), target, parent_.fd.get(), name) == LinkResult::linked) return;
  refuse_entry("too_large", entry, "is one hard link more than the file system can store");
}

void LayerWriter::add_link_marker(const Entry& entry, const std::string& name,
                                  const std::string& target) {
  const std::string marker = std::string(kLinkMarkerPrefix) + name;
  if (marker.size() > kNameBytes) {
    refuse_entry("bad_link", entry, "is a link to a lower layer with too long a name");
  }
  if (const auto existing = stat_at(parent_.fd.get(), name)) remove_existing(name, *existing);
  unlink_at(parent_.fd.get(), marker);
  lower_links_[join_path(parent_.path, name)] = target;
  write_at(create_file_at(parent_.fd.get(), marker).get(), 0, target);
}

void LayerWriter::remove_existing(const std::string& name, const struct stat& existing) {
  parent_key_.clear();  // what it resolved through may be gone
  if (!S_ISDIR(existing.st_mode)) {
    unlink_at(parent_.fd.get(), name);
    return;
  }
  const std::string path = join_path(parent_.path, name);
  sys::remove_tree(root_path_ / path);
  directory_times_.erase(path);
  directory_times_.erase(directory_times_.lower_bound(path + "/"),
                         directory_times_.lower_bound(path + "0"));  // '0' follows '/'
}

// Most entries lie where the one before lay; most parents are plain directories that are there.
void LayerWriter::open_parent(const std::vector<std::string>& components) {
  const std::string key = "/" + join_path(components);
  if (key == parent_key_) return;
  parent_key_.clear();
  std::string path = key.substr(1);
  std::optional<sys::UniqueFd> fd = open_directory_beneath(root_.get(), path);
  if (!fd) {
    path = resolve_directory(components);
    fd = open_directory_beneath(root_.get(), path);
  }
  if (!fd) refuse("bad_layer", "the directory '" + printable(key) + "' changes while it is made");
  parent_ = {std::move(*fd), path};
  parent_key_ = key;
}

// As a process chrooted into the layer would walk, making what is missing. A file in the way is
// replaced: the later entry wins.
std::string LayerWriter::resolve_directory(std::vector<std::string> pending) {
  const std::string asked = join_path(pending);
  std::reverse(pending.begin(), pending.end());  // the next component stands last
  std::vector<std::string> resolved;
  int links = 0;
  while (!pending.empty()) {
    const std::string name = pending.back();
    pending.pop_back();
    if (name == "..") {
      if (!resolved.empty()) resolved.pop_back();
      continue;
    }
    if (resolved.size() >= quota_.path_depth) {
      refuse_too_large("'" + printable(asked) + "' leads too deep", quota_.path_depth,
                       "directories");
    }
    parent_.path = join_path(resolved);
    std::optional<sys::UniqueFd> here = open_directory_beneath(root_.get(), parent_.path);
    if (!here) refuse("bad_layer", "the directory '" + printable(asked) + "' cannot be made");
    parent_.fd = std::move(*here);
    const auto existing = stat_at(parent_.fd.get(), name);
    if (existing && S_ISLNK(existing->st_mode)) {
      if (++links > kLinksInPath) {
        refuse("unsafe_path", "'" + printable(asked) + "' leads through too many symbolic links");
      }
      splice_link(read_link_at(parent_.fd.get(), name), resolved, pending);
      continue;
    }
    if (existing && !S_ISDIR(existing->st_mode)) remove_existing(name, *existing);
    if (!existing || !S_ISDIR(existing->st_mode)) make_implied(parent_.fd.get(), name);
    resolved.push_back(name);
  }
  return join_path(resolved);
}

void LayerWriter::splice_link(const std::string& target, std::vector<std::string>& resolved,
                              std::vector<std::string>& pending) const {
  if (target.starts_with('/')) resolved.clear();
  for (std::size_t end = target.size(); end > 0;) {
    const std::size_t slash = target.rfind('/', end - 1);
    const std::size_t begin = slash == std::string::npos ? 0 : slash + 1;
    const std::string component = target.substr(begin, end - begin);
    if (component.starts_with(kWhiteoutPrefix) || component.size() > kNameBytes) {
      refuse("bad_link", "a symbolic link leads through '" + printable(component) + "'");
    }
    if (!component.empty() && component != ".") pending.push_back(component);
    end = slash == std::string::npos ? 0 : slash;
  }
}

void LayerWriter::make_implied(int dir_fd, const std::string& name) {
  charge_entry();
  make_directory_at(dir_fd, name, kImpliedMode);
  add_marker(open_directory_at(dir_fd, name).get(), std::string(kImpliedMarker));
}

void LayerWriter::set_metadata(int fd, const Entry& entry) {
  set_owner_and_mode(fd, metadata_of_entry(entry));
  set_xattrs(fd, entry);
}

void LayerWriter::set_xattrs(int fd, const Entry& entry) {
  for (const Xattr& xattr : entry.xattrs) {
    const bool wanted =
        is_capability(xattr) || (xattr.name.starts_with("user.") && xattr.name.size() > 5 &&
                                 xattr.name.size() <= kXattrNameBytes);
    if (!wanted || xattr.value.size() > kXattrValueBytes ||
        !sys::set_xattr(fd, xattr.name, xattr.value)) {
      ++budget_.attributes;
    }
  }
}

void LayerWriter::finish() {
  for (const auto& [path, mtime] : directory_times_) {
    if (const auto directory = open_directory_beneath(root_.get(), path)) {
      set_mtime(directory->get(), mtime);
    }
  }
}

}  // namespace image
