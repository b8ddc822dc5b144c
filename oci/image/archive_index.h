// What an image archive on the disk holds, without reading its layers: names and places of the
// members, and the documents. Of a tar file, plain, or of a directory in the OCI image layout. So a
// sender can leave out what the store has. Trusts nothing but finds out little: whether the archive
// is right is for the import to say. Throws std::system_error. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "oci/image/unpack_protocol.h"

namespace image {

// Bytes of an archive: as they stand here, or a part of a file.
struct ArchivePiece {
  std::string bytes;
  std::filesystem::path file;  // empty: the archive itself
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

struct ArchiveMember {
  std::string path;
  std::uint64_t size = 0;  // of its content
  std::vector<ArchivePiece> pieces;
};

struct ArchiveIndex {
  std::vector<ArchiveMember> members;  // those of a tar, in its order, cover it up to its end mark
  UnpackReport report;                 // documents and links; no layers

  // The end mark, which no member has.
  static ArchivePiece end_mark();
};

// Empty if the open file is no plain tar, or has anything before or behind it that a member does
// not explain. Its position is as before.
std::optional<ArchiveIndex> index_tar(int fd);

// Empty if the directory is no OCI image layout.
std::optional<ArchiveIndex> index_layout(const std::filesystem::path& directory);

}  // namespace image
