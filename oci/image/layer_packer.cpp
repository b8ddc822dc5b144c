#include "oci/image/layer_packer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "oci/image/entry_path.h"
#include "oci/image/quota.h"
#include "oci/image/refusal.h"
#include "oci/image/tree.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace image {
namespace {

constexpr std::size_t kReadBytes = 256U << 10;
constexpr const char* kCapability = "security.capability";

FileId id_of(const struct stat& st) {
  return {st.st_dev, st.st_ino};
}

bool is_same(const struct stat& a, const struct stat& b) {
  return id_of(a) == id_of(b) && a.st_mode == b.st_mode && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

std::size_t read_some(int fd, char* buffer, std::size_t size) {
  for (;;) {
    const ssize_t n = ::read(fd, buffer, size);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) sys::throw_errno("read");
  }
}

// PAX has `=` behind a key, and readers differ on other characters in it.
bool fits_a_pax_key(const std::string& name) {
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return c > ' ' && c < 0x7f && c != '=' && c != '%'; });
}

}  // namespace

template <typename Read>
auto LayerPacker::reading(const std::string& path, Read read) const {
  try {
    return read();
  } catch (const std::system_error& error) {
    if (error.code().value() == ENOENT || error.code().value() == ELOOP) changed(path);
    refuse("unreadable", "cannot read " + shown(path) + ": " + error.code().message());
  }
}

LayerPacker::LayerPacker(const LayerSource& source, TarWriter& writer)
    : source_(source), writer_(writer), buffer_(kReadBytes) {}

void LayerPacker::pack() {
  enter(reading("", [&] { return sys::open_directory(source_.directory); }), "");
  while (!levels_.empty()) {
    Level& level = levels_.back();
    if (level.next == level.names.size()) {
      levels_.pop_back();
      continue;
    }
    const std::string name = std::move(level.names[level.next++]);
    add(level.fd.get(), name, join_path(level.path, name));
  }
}

void LayerPacker::enter(sys::UniqueFd fd, const std::string& path) {
  // A descriptor a level is open, and nobody imports more levels than this.
  const std::uint64_t depth = Quota{}.path_depth;
  if (levels_.size() >= depth) {
    refuse_too_large(shown(path), depth, "directories above one another");
  }
  std::vector<std::string> names = reading(path, [&] { return list_names(fd.get()); });
  std::sort(names.begin(), names.end());
  levels_.push_back({std::move(fd), path, std::move(names)});
}

void LayerPacker::add(int dir_fd, const std::string& name, const std::string& path) {
  if (name.starts_with(kWhiteoutPrefix)) {
    return leave_out(path, "in an image, " + std::string(kWhiteoutPrefix) + " marks removed files");
  }
  if (path.size() > kPathBytes) refuse_too_large(shown(path), kPathBytes, "bytes in a path");
  const std::optional<struct stat> st = reading(path, [&] { return stat_at(dir_fd, name); });
  if (!st) changed(path);
  if (S_ISDIR(st->st_mode)) return add_directory(dir_fd, name, path, *st);
  if (S_ISSOCK(st->st_mode)) return leave_out(path, "it is a socket");
  if (S_ISFIFO(st->st_mode)) return leave_out(path, "it is a fifo");
  if (!S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode)) return leave_out(path, "it is a device");
  if (add_as_hard_link(path, *st)) return;
  if (S_ISREG(st->st_mode)) return add_file(dir_fd, name, path, *st);
  Entry entry = entry_of(path, *st);
  entry.type = Entry::Type::symlink;
  entry.link = reading(path, [&] { return read_link_at(dir_fd, name); });
  writer_.add(entry);
}

void LayerPacker::add_directory(int dir_fd, const std::string& name, const std::string& path,
                                const struct stat& listed) {
  sys::UniqueFd fd = reading(path, [&] { return open_directory_at(dir_fd, name); });
  const struct stat st = stat_of(fd.get());
  if (id_of(st) != id_of(listed)) changed(path);
  Entry entry = entry_of(path, st);
  entry.type = Entry::Type::directory;
  entry.xattrs = xattrs_of(fd.get(), path);
  writer_.add(entry);
  enter(std::move(fd), path);
}

void LayerPacker::add_file(int dir_fd, const std::string& name, const std::string& path,
                           const struct stat& listed) {
  if (source_.output == id_of(listed)) {
    refuse("output_inside", shown(path) + " is where the image goes: write it outside of " +
                                source_.directory.string());
  }
  const sys::UniqueFd fd = reading(path, [&] { return open_file_at(dir_fd, name); });
  const struct stat st = stat_of(fd.get());
  if (!is_same(st, listed)) changed(path);
  Entry entry = entry_of(path, st);
  entry.size = static_cast<std::uint64_t>(st.st_size);
  entry.xattrs = xattrs_of(fd.get(), path);
  writer_.add(entry);
  copy_content(fd.get(), path, st);
}

bool LayerPacker::add_as_hard_link(const std::string& path, const struct stat& st) {
  if (st.st_nlink < 2) return false;
  const auto [first, is_first] = linked_.try_emplace(id_of(st), path);
  if (is_first) return false;
  Entry entry = entry_of(path, st);
  entry.type = Entry::Type::hard_link;
  entry.link = first->second;
  writer_.add(entry);
  return true;
}

// A hole is written as the zeros that it reads as: layer.md advises against sparse entries, and
// Docker loads an image with one but cannot save it again.
void LayerPacker::copy_content(int fd, const std::string& path, const struct stat& st) {
  for (auto left = static_cast<std::uint64_t>(st.st_size); left > 0;) {
    const std::size_t count = std::min<std::uint64_t>(buffer_.size(), left);
    const std::size_t n = reading(path, [&] { return read_some(fd, buffer_.data(), count); });
    if (n == 0) changed(path);  // it is shorter now
    writer_.write({buffer_.data(), n});
    left -= n;
  }
  if (!is_same(stat_of(fd), st)) changed(path);
}

Entry LayerPacker::entry_of(const std::string& path, const struct stat& st) const {
  const Metadata metadata = metadata_of(st);
  Entry entry;
  entry.path = path;
  entry.mode = metadata.mode;
  if (source_.keep_owners) {
    entry.uid = metadata.uid;
    entry.gid = metadata.gid;
  }
  entry.mtime.tv_sec =
      std::min(metadata.mtime.tv_sec, source_.newest.value_or(metadata.mtime.tv_sec));
  return entry;
}

std::vector<Xattr> LayerPacker::xattrs_of(int fd, const std::string& path) const {
  return reading(path, [&] {
    std::vector<Xattr> xattrs;
    std::vector<std::string> names = sys::list_user_xattrs(fd);
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (!fits_a_pax_key(name)) {
        leave_out(path,
                  "its attribute " + printable(name) + " has a name that no archive can hold");
      } else if (std::optional<std::string> value = sys::read_xattr_if_exists(fd, name)) {
        xattrs.push_back({name, std::move(*value)});
      }
    }
    if (std::optional<std::string> value = sys::read_xattr_if_exists(fd, kCapability)) {
      xattrs.push_back({kCapability, std::move(*value)});
    }
    return xattrs;
  });
}

void LayerPacker::leave_out(const std::string& path, const std::string& reason) const {
  if (source_.left_out) source_.left_out(path, reason);
}

void LayerPacker::changed(const std::string& path) const {
  refuse("changed_meanwhile",
         shown(path) + " changed while it was read: try again when nothing writes to it");
}

std::string LayerPacker::shown(const std::string& path) const {
  return printable(path.empty() ? source_.directory.string() : (source_.directory / path).string());
}

}  // namespace image
