#include "oci/image/archive_writer.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <utility>

namespace image {
namespace {

constexpr mode_t kMemberMode = 0644;

// How much libarchive collects before the sink is called; 0 is nothing.
constexpr int kTreeBlockBytes = 256 << 10;
constexpr int kUnbuffered = 0;

bool is_ascii(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0; });
}

struct FreeEntry {
  void operator()(archive_entry* entry) const noexcept { archive_entry_free(entry); }
};
using RawEntry = std::unique_ptr<archive_entry, FreeEntry>;

unsigned int file_type(const Entry& entry) {
  switch (entry.type) {
    case Entry::Type::directory:
      return AE_IFDIR;
    case Entry::Type::symlink:
      return AE_IFLNK;
    case Entry::Type::file:
    case Entry::Type::hard_link:
      return AE_IFREG;
    case Entry::Type::special:
      break;
  }
  throw std::logic_error("a special file is never written");
}

RawEntry raw_entry(const Entry& entry) {
  RawEntry raw(archive_entry_new());
  if (!raw) throw std::bad_alloc();
  archive_entry_set_filetype(raw.get(), file_type(entry));
  archive_entry_set_pathname(raw.get(), entry.path.c_str());
  if (entry.type == Entry::Type::symlink) {
    archive_entry_set_symlink(raw.get(), entry.link.c_str());
  } else if (entry.type == Entry::Type::hard_link) {
    archive_entry_set_hardlink(raw.get(), entry.link.c_str());
  }
  archive_entry_set_perm(raw.get(), entry.mode);
  archive_entry_set_uid(raw.get(), entry.uid);
  archive_entry_set_gid(raw.get(), entry.gid);
  archive_entry_set_mtime(raw.get(), entry.mtime.tv_sec, 0);
  archive_entry_set_size(raw.get(), static_cast<la_int64_t>(entry.size));
  for (const Xattr& xattr : entry.xattrs) {
    archive_entry_xattr_add_entry(raw.get(), xattr.name.c_str(), xattr.value.data(),
                                  xattr.value.size());
  }
  return raw;
}

}  // namespace

void TarWriter::Free::operator()(archive* writer) const noexcept {
  archive_write_free(writer);
}

TarWriter::TarWriter(Format format, Sink sink)
    : sink_(std::move(sink)), writer_(archive_write_new()) {
  if (!writer_) throw std::bad_alloc();
  archive* writer = writer_.get();
  if (format == Format::gnu) {
    check(archive_write_set_format_gnutar(writer));
  } else {
    check(archive_write_set_format_pax(writer));
    // Attributes are written once, in the form that Docker reads.
    check(archive_write_set_options(writer, "xattrheader=SCHILY"));
  }
  check(archive_write_add_filter_none(writer));
  const int block_bytes = format == Format::gnu ? kUnbuffered : kTreeBlockBytes;
  check(archive_write_set_bytes_per_block(writer, block_bytes));
  check(archive_write_set_bytes_in_last_block(writer, 1));
  check(archive_write_open2(writer, this, nullptr, write_sink, nullptr, nullptr));
}

TarWriter::~TarWriter() {
  // An archive that was given up would be completed here, with zeros for the content it lacks: the
  // first of them fails. (archive_write_fail would keep libarchive from freeing its buffer.)
  if (!finished_) abandoned_ = true;
}

void TarWriter::add(const Entry& entry) {
  const int result = archive_write_header(writer_.get(), raw_entry(entry).get());
  // A name that is not ASCII goes in as the bytes it has, marked hdrcharset=BINARY, with a warning.
  if (result == ARCHIVE_WARN && !(is_ascii(entry.path) && is_ascii(entry.link))) return;
  check(result);
}

void TarWriter::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const la_ssize_t written = archive_write_data(writer_.get(), bytes.data(), bytes.size());
    check(written);
    if (written == 0) throw std::logic_error("more content than the member's size");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void TarWriter::finish() {
  check(archive_write_close(writer_.get()));
  finished_ = true;
}

ssize_t TarWriter::write_sink(archive* writer, void* self, const void* bytes, std::size_t size) {
  auto* stream = static_cast<TarWriter*>(self);
  if (stream->abandoned_) {
    archive_set_error(writer, ECANCELED, "given up");
    return -1;
  }
  try {
    stream->sink_({static_cast<const char*>(bytes), size});
    return static_cast<ssize_t>(size);
  } catch (...) {
    stream->pending_ = std::current_exception();
    archive_set_error(writer, EIO, "the output failed");
    return -1;
  }
}

// A warning of libarchive's means that something of an entry could not be written as it is.
void TarWriter::check(long long result) {
  if (pending_) std::rethrow_exception(std::exchange(pending_, nullptr));
  if (result >= ARCHIVE_OK) return;
  const char* reason = archive_error_string(writer_.get());
  throw std::runtime_error(std::string("libarchive cannot write a tar: ") +
                           (reason == nullptr ? "no reason given" : reason));
}

std::string tar_file_header(const std::string& path, std::uint64_t size) {
  std::string header;
  TarWriter writer(TarWriter::Format::gnu, [&](std::string_view bytes) { header += bytes; });
  Entry entry;
  entry.path = path;
  entry.mode = kMemberMode;
  entry.size = size;
  writer.add(entry);
  return header;
}

}  // namespace image
