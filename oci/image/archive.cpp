#include "oci/image/archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <utility>

#include "oci/image/refusal.h"

namespace image {
namespace {

constexpr std::int64_t kLargestOwner = 0xFFFFFFFE;

// libarchive gives back a null pointer for a name that it does not have.
std::string text_or_empty(const char* text) {
  return text == nullptr ? std::string() : text;
}

Entry::Type type_of(archive_entry* raw) {
  if (archive_entry_hardlink(raw) != nullptr) return Entry::Type::hard_link;
  switch (archive_entry_filetype(raw)) {
    case AE_IFREG:
      return Entry::Type::file;
    case AE_IFDIR:
      return Entry::Type::directory;
    case AE_IFLNK:
      return Entry::Type::symlink;
    case AE_IFCHR:
    case AE_IFBLK:
    case AE_IFIFO:
    case AE_IFSOCK:
      return Entry::Type::special;
    default:  // libarchive leaves it open for a hard link whose target is empty
      refuse("bad_link", "'" + printable(text_or_empty(archive_entry_pathname(raw))) +
                             "' is a link without a target");
  }
}

timespec mtime_of(archive_entry* raw) {
  timespec time{};
  if (archive_entry_mtime_is_set(raw) == 0) return time;
  time.tv_sec = archive_entry_mtime(raw);
  const long nanoseconds = archive_entry_mtime_nsec(raw);
  time.tv_nsec = nanoseconds >= 0 && nanoseconds < 1'000'000'000 ? nanoseconds : 0;
  if (time.tv_sec < 0 && time.tv_nsec > 0) {
    // libarchive reads "-1.25" as -1 and 0.25; the kernel counts up from the second before.
    time.tv_sec -= 1;
    time.tv_nsec = 1'000'000'000 - time.tv_nsec;
  }
  return time;
}

}  // namespace

bool is_compressed(std::string_view begin) {
  using namespace std::string_view_literals;
  static constexpr std::array kMagics = {"\x1f\x8b"sv, "\x28\xb5\x2f\xfd"sv, "\xfd\x37zXZ\0"sv,
                                         "BZh"sv};
  return std::any_of(kMagics.begin(), kMagics.end(),
                     [&](std::string_view magic) { return begin.starts_with(magic); });
}

void TarStream::Free::operator()(archive* reader) const noexcept {
  archive_read_free(reader);
}

TarStream::TarStream(const std::string& what, Role role, Source source, const Quota& quota,
                     std::atomic<std::uint64_t>& inflated_bytes)
    : what_(what),
      role_(role),
      source_(std::move(source)),
      quota_(quota),
      shared_inflated_(inflated_bytes),
      headers_(what) {}

TarStream::~TarStream() = default;

// Two readers in a row: the first only decompresses ("raw"), so that its output can be hashed and
// checked before the second one looks for entries in it.
void TarStream::open_inflater() {
  inflater_.reset(archive_read_new());
  if (!inflater_) throw std::bad_alloc();
  archive* const reader = inflater_.get();
  for (const auto add : {archive_read_support_filter_gzip, archive_read_support_filter_zstd,
                         archive_read_support_filter_xz, archive_read_support_filter_bzip2}) {
    if (add(reader) != ARCHIVE_OK) fail(reader);  // a warning means: by an external program
  }
  archive_read_support_format_raw(reader);
  archive_read_support_format_empty(reader);
  archive_entry* ignored = nullptr;
  if (archive_read_open(reader, this, nullptr, &TarStream::read_source, nullptr) != ARCHIVE_OK) {
    fail(reader);
  }
  const int result = archive_read_next_header(reader, &ignored);
  if (result != ARCHIVE_OK && result != ARCHIVE_EOF) fail(reader);
}

void TarStream::open_tar() {
  open_inflater();
  tar_.reset(archive_read_new());
  if (!tar_) throw std::bad_alloc();
  archive_read_support_format_tar(tar_.get());
  archive_read_support_format_empty(tar_.get());
  if (archive_read_open(tar_.get(), this, nullptr, &TarStream::read_inflated, nullptr) !=
      ARCHIVE_OK) {
    fail(tar_.get());
  }
}

// No exception may cross libarchive's frames: it waits in `pending_` until they have returned.
ssize_t TarStream::read_source(archive* reader, void* self, const void** bytes) {
  auto& stream = *static_cast<TarStream*>(self);
  try {
    const std::string_view block = stream.take_source();
    *bytes = block.data();
    return static_cast<ssize_t>(block.size());
  } catch (...) {
    stream.pending_ = std::current_exception();
    archive_set_error(reader, ECANCELED, "stopped");
    return -1;
  }
}

ssize_t TarStream::read_inflated(archive* reader, void* self, const void** bytes) {
  auto& stream = *static_cast<TarStream*>(self);
  try {
    const std::string_view block = stream.take_inflated();
    *bytes = block.data();
    return static_cast<ssize_t>(block.size());
  } catch (...) {
    stream.pending_ = std::current_exception();
    archive_set_error(reader, ECANCELED, "stopped");
    return -1;
  }
}

std::string_view TarStream::take_source() {
  const std::string_view block = source_();
  if (block.empty()) source_ended_ = true;
  if (compressed_ == 0) is_compressed_ = is_compressed(block);
  compressed_ += block.size();
  // Of a plain tar it is the diff_id, and of the upload nobody asks: hashing is what importing
  // costs.
  if (role_ == Role::layer && is_compressed_) compressed_sum_.update(block);
  return block;
}

std::string_view TarStream::take_inflated() {
  if (inflated_ended_) return {};
  const void* bytes = nullptr;
  std::size_t size = 0;
  std::int64_t offset = 0;
  int result = ARCHIVE_OK;
  while (size == 0 && result == ARCHIVE_OK) {
    result = archive_read_data_block(inflater_.get(), &bytes, &size, &offset);
  }
  if (result == ARCHIVE_EOF) {
    inflated_ended_ = true;
    return {};
  }
  if (result != ARCHIVE_OK) fail(inflater_.get());
  inflated_ += size;
  if (shared_inflated_ += size; shared_inflated_ > quota_.stream_bytes) {
    refuse_too_large(what_, quota_.stream_bytes, "bytes of unpacked archive");
  }
  if (inflated_ > quota_.ratio_free_bytes && inflated_ / quota_.compression_ratio > compressed_) {
    refuse_too_large(what_ + " grows when it is unpacked", quota_.compression_ratio,
                     "times its size");
  }
  const std::string_view block(static_cast<const char*>(bytes), size);
  if (role_ == Role::layer) diff_sum_.update(block);
  headers_.feed(block);
  return block;
}

std::optional<Entry> TarStream::next() {
  if (!tar_) open_tar();
  archive_entry* raw = nullptr;
  const int result = archive_read_next_header(tar_.get(), &raw);
  if (pending_) fail(tar_.get());  // libarchive may take a source that fails for one that ends
  if (result == ARCHIVE_EOF) {
    drain();
    return std::nullopt;
  }
  // A name that is not UTF-8, which PAX says it should be, is kept as it is: that is the one
  // warning to live with.
  const bool kept_raw = result == ARCHIVE_WARN && archive_errno(tar_.get()) == EILSEQ;
  if (result != ARCHIVE_OK && !kept_raw) fail(tar_.get());
  ++entries_;
  return entry_of(raw);
}

Entry TarStream::entry_of(archive_entry* raw) {
  Entry entry;
  entry.path = text_or_empty(archive_entry_pathname(raw));
  if (entry.path.empty()) refuse("bad_name", what_ + " has an entry without a name");
  entry.type = type_of(raw);
  if (entry.type == Entry::Type::hard_link) {
    entry.link = text_or_empty(archive_entry_hardlink(raw));
  } else if (entry.type == Entry::Type::symlink) {
    entry.link = text_or_empty(archive_entry_symlink(raw));
  }
  const std::int64_t uid = archive_entry_uid(raw);
  const std::int64_t gid = archive_entry_gid(raw);
  if (uid < 0 || uid > kLargestOwner || gid < 0 || gid > kLargestOwner) {
    refuse("bad_owner", what_ + ": '" + printable(entry.path) + "' belongs to " +
                            std::to_string(uid) + ":" + std::to_string(gid) +
                            ", which no system can store");
  }
  entry.uid = static_cast<uid_t>(uid);
  entry.gid = static_cast<gid_t>(gid);
  entry.mode = archive_entry_perm(raw) & 07777U;
  const std::int64_t size = archive_entry_size(raw);
  if (size < 0) refuse(damaged_code(), what_ + ": '" + printable(entry.path) + "' has no size");
  entry.size = static_cast<std::uint64_t>(size);
  entry.mtime = mtime_of(raw);
  archive_entry_xattr_reset(raw);
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t length = 0;
  while (archive_entry_xattr_next(raw, &name, &value, &length) == ARCHIVE_OK) {
    entry.xattrs.push_back({text_or_empty(name), {static_cast<const char*>(value), length}});
  }
  return entry;
}

std::optional<Block> TarStream::next_block() {
  const void* bytes = nullptr;
  std::size_t size = 0;
  std::int64_t offset = 0;
  const int result = archive_read_data_block(tar_.get(), &bytes, &size, &offset);
  if (pending_) fail(tar_.get());
  if (result == ARCHIVE_EOF) return std::nullopt;
  if (result != ARCHIVE_OK) fail(tar_.get());
  if (offset < 0) refuse(damaged_code(), what_ + " has a sparse file with a negative offset");
  return Block{static_cast<std::uint64_t>(offset), {static_cast<const char*>(bytes), size}};
}

std::size_t TarStream::read(char* buffer, std::size_t size) {
  const la_ssize_t n = archive_read_data(tar_.get(), buffer, size);
  if (n < 0 || pending_) fail(tar_.get());
  return static_cast<std::size_t>(n);
}

// Behind the end mark: padding belongs to the hash, anything else is refused on the way.
void TarStream::drain() {
  while (!take_inflated().empty()) {
  }
  // What the decompressor has left over is not part of any compressed stream.
  const std::int64_t used = archive_filter_bytes(inflater_.get(), -1);
  if (is_compressed_ && used >= 0 && static_cast<std::uint64_t>(used) < compressed_) {
    refuse("trailing_garbage", what_ + " goes on behind the end of its compressed data");
  }
  while (!take_source().empty()) {
    refuse("trailing_garbage", what_ + " goes on behind its end: send one archive, whole");
  }
  compressed_hex_ = compressed_sum_.finish_hex();
  diff_hex_ = diff_sum_.finish_hex();
}

std::string TarStream::damaged_code() const {
  return role_ == Role::upload ? "bad_archive" : "bad_layer";
}

void TarStream::fail(archive* reader) {
  if (pending_) std::rethrow_exception(std::exchange(pending_, nullptr));
  if (archive_errno(reader) == ENOMEM) refuse_memory();
  const std::string reason = text_or_empty(archive_error_string(reader));
  if (role_ == Role::upload && entries_ == 0) {
    refuse("not_an_archive",
           "the body is no tar archive (" + reason + "): send the output of `docker save`");
  }
  if (role_ == Role::upload && source_ended_) {
    refuse("truncated_archive",
           what_ + " ends in the middle (" + reason + "): send it again, whole");
  }
  refuse(damaged_code(), what_ + " is damaged: " + reason);
}

}  // namespace image
