#include "oci/image/archive_index.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "oci/image/archive_members.h"
#include "oci/image/archive_writer.h"
#include "oci/image/quota.h"
#include "oci/image/tree.h"
#include "oci/sys/file.h"
#include "oci/sys/unique_fd.h"

namespace image {
namespace {

constexpr std::uint64_t kBlock = 512;
constexpr std::size_t kReadBytes = 64U << 10;

struct Free {
  void operator()(archive* reader) const noexcept { archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, Free>;

std::string text_or_empty(const char* text) {
  return text == nullptr ? std::string() : text;
}

bool is_document(std::string_view bytes) {
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (bytes[first] == '{' || bytes[first] == '[');
}

// Small members are looked at: one may be a document.
void take_document(archive* reader, const std::string& path, std::uint64_t size,
                   UnpackReport& report) {
  std::uint64_t documents_bytes = 0;
  for (const auto& [other, document] : report.documents) documents_bytes += document.size();
  if (size > Quota{}.document_bytes || documents_bytes + size > Quota{}.documents_bytes) return;
  std::string bytes(size, '\0');
  const la_ssize_t n = archive_read_data(reader, bytes.data(), bytes.size());
  if (n == static_cast<la_ssize_t>(size) && is_document(bytes)) {
    report.documents[path] = std::move(bytes);
  }
}

// The end mark and the padding of a whole archive: zeros, and at least one block of them.
bool only_zeros_from(int fd, std::uint64_t begin) {
  std::string rest(kReadBytes, '\0');
  const ssize_t n = ::pread(fd, rest.data(), rest.size(), static_cast<off_t>(begin));
  if (n < static_cast<ssize_t>(kBlock) || n == static_cast<ssize_t>(rest.size())) return false;
  rest.resize(static_cast<std::size_t>(n));
  return rest.find_first_not_of('\0') == std::string::npos;
}

// True while there is another member.
bool take_member(archive* reader, ArchiveIndex& index) {
  archive_entry* entry = nullptr;
  if (archive_read_next_header(reader, &entry) != ARCHIVE_OK) return false;
  const auto begin = static_cast<std::uint64_t>(archive_read_header_position(reader));
  if (!index.members.empty()) {
    ArchivePiece& before = index.members.back().pieces.front();
    before.size = begin - before.offset;
  }
  ArchiveMember member;
  member.path = plain_path(text_or_empty(archive_entry_pathname(entry)));
  member.size = static_cast<std::uint64_t>(std::max<std::int64_t>(archive_entry_size(entry), 0));
  member.pieces.push_back({{}, {}, begin, 0});
  if (const char* hard_link = archive_entry_hardlink(entry)) {
    index.report.links[member.path] = linked_path(member.path, hard_link, LinkKind::hard);
  } else if (archive_entry_filetype(entry) == AE_IFLNK) {
    index.report.links[member.path] =
        linked_path(member.path, text_or_empty(archive_entry_symlink(entry)), LinkKind::symbolic);
  } else if (archive_entry_filetype(entry) == AE_IFREG) {
    take_document(reader, member.path, member.size, index.report);
  }
  index.members.push_back(std::move(member));
  return index.members.size() <= Quota{}.archive_members;
}

}  // namespace

ArchivePiece ArchiveIndex::end_mark() {
  return {std::string(2 * kBlock, '\0'), {}, 0, 2 * kBlock};
}

std::optional<ArchiveIndex> index_tar(int fd) {
  const off_t start = ::lseek(fd, 0, SEEK_CUR);
  if (start != 0) return std::nullopt;  // libarchive counts from where it began
  const Reader reader(archive_read_new());
  if (!reader) throw std::bad_alloc();
  archive_read_support_format_tar(reader.get());
  ArchiveIndex index;
  if (archive_read_open_fd(reader.get(), fd, kReadBytes) == ARCHIVE_OK) {
    while (take_member(reader.get(), index)) {
    }
  }
  const bool whole = archive_errno(reader.get()) == 0 && !index.members.empty() &&
                     index.members.size() <= Quota{}.archive_members;
  const auto end = static_cast<std::uint64_t>(archive_read_header_position(reader.get()));
  if (::lseek(fd, start, SEEK_SET) != start || !whole) return std::nullopt;
  ArchivePiece& last = index.members.back().pieces.front();
  if (!only_zeros_from(fd, end)) return std::nullopt;
  if (end < last.offset + kBlock + index.members.back().size) return std::nullopt;
  last.size = end - last.offset;
  index.report.has_end_mark = true;
  return index;
}

std::optional<ArchiveIndex> index_layout(const std::filesystem::path& directory) {
  std::vector<std::string> paths;
  for (const char* name : {"oci-layout", "index.json"}) {
    if (!std::filesystem::is_regular_file(directory / name)) return std::nullopt;
    paths.emplace_back(name);
  }
  const std::filesystem::path blobs = std::filesystem::path("blobs") / "sha256";
  if (std::filesystem::is_directory(directory / blobs)) {
    for (const std::string& name : sys::list_directory(directory / blobs)) {
      paths.push_back((blobs / name).string());
    }
  }
  std::sort(paths.begin() + 2, paths.end());
  ArchiveIndex index;
  std::uint64_t documents_bytes = 0;
  for (const std::string& path : paths) {
    const std::uint64_t size = std::filesystem::file_size(directory / path);
    ArchiveMember member{path, size, {}};
    const std::string header = tar_file_header(path, size);
    member.pieces.push_back({header, {}, 0, header.size()});
    member.pieces.push_back({{}, directory / path, 0, size});
    const std::uint64_t padding = (kBlock - size % kBlock) % kBlock;
    member.pieces.push_back({std::string(padding, '\0'), {}, 0, padding});
    if (size <= Quota{}.document_bytes && documents_bytes + size <= Quota{}.documents_bytes) {
      std::string bytes = sys::read_file(directory / path, Quota{}.document_bytes);
      if (is_document(bytes)) {
        documents_bytes += size;
        index.report.documents[path] = std::move(bytes);
      }
    }
    index.members.push_back(std::move(member));
  }
  index.report.has_end_mark = true;
  return index;
}

}  // namespace image
