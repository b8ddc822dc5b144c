// Reads one tar archive once, as a stream, plain or compressed with gzip, zstd, xz or bzip2; beside
// archive_writer.h the only place that knows libarchive.
// While it reads it hashes the bytes before and after decompression, bounds both, and has the raw
// headers checked (tar_headers.h). Runs in the confined process only.
// Source: libarchive's archive_read(3), tar(5). Throws sys::Refused. One thread.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <ctime>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/image/digest.h"
#include "oci/image/quota.h"
#include "oci/image/tar_headers.h"

struct archive;
struct archive_entry;

namespace image {

struct Xattr {
  std::string name;
  std::string value;
};

// One member of an archive, as it is written there: nothing of it may be trusted.
struct Entry {
  enum class Type { file, directory, symlink, hard_link, special };

  std::string path;
  std::string link;  // target of a symlink or hard link
  Type type = Type::file;
  mode_t mode = 0;  // permissions, setuid, setgid, sticky
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t size = 0;  // of the file, holes included
  timespec mtime{};
  std::vector<Xattr> xattrs;
};

// A piece of a file's content; what lies between two pieces is a hole.
struct Block {
  std::uint64_t offset = 0;
  std::string_view bytes;  // until the next call
};

// Whether these first bytes are of a stream that TarStream decompresses.
bool is_compressed(std::string_view begin);

class TarStream {
 public:
  // The next bytes; empty at the end. Valid until the next call.
  using Source = std::function<std::string_view()>;

  // What the stream is decides what it is refused as: "not_an_archive", "truncated_archive" and
  // "bad_archive" for what the client sent, "bad_layer" for a layer inside.
  enum class Role { upload, layer };

  // `what` names the archive in messages ("the archive", "layer x/layer.tar"). `inflated_bytes`
  // counts what comes out of decompression against quota.stream_bytes, over several streams, on
  // several threads, if they share it.
  TarStream(const std::string& what, Role role, Source source, const Quota& quota,
            std::atomic<std::uint64_t>& inflated_bytes);
  TarStream(const TarStream&) = delete;
  TarStream& operator=(const TarStream&) = delete;
  ~TarStream();

  // The next entry; empty after the last one, when the rest of the source has been read as well.
  std::optional<Entry> next();
  // The next piece of the current entry's content.
  std::optional<Block> next_block();
  // The same with holes as zeros; 0 at the end.
  std::size_t read(char* buffer, std::size_t size);

  std::uint64_t entries() const noexcept { return entries_; }
  // After next() has said that there is no more:
  bool has_end_mark() const noexcept { return headers_.complete(); }
  // Of a layer: SHA-256 of the source's bytes, and of the tar in them; how many the former are.
  const std::string& compressed_hex() const { return is_compressed_ ? compressed_hex_ : diff_hex_; }
  const std::string& diff_hex() const { return diff_hex_; }
  std::uint64_t compressed_size() const noexcept { return compressed_; }

 private:
  struct Free {
    void operator()(archive* reader) const noexcept;
  };
  using Reader = std::unique_ptr<archive, Free>;

  static ssize_t read_source(archive* reader, void* self, const void** bytes);
  static ssize_t read_inflated(archive* reader, void* self, const void** bytes);
  std::string_view take_source();
  std::string_view take_inflated();
  void open_inflater();
  void open_tar();
  Entry entry_of(archive_entry* raw);
  void drain();
  [[noreturn]] void fail(archive* reader);
  std::string damaged_code() const;

  std::string what_;
  Role role_;
  Source source_;
  const Quota& quota_;
  std::atomic<std::uint64_t>& shared_inflated_;
  std::uint64_t compressed_ = 0;
  std::uint64_t inflated_ = 0;
  std::uint64_t entries_ = 0;
  bool source_ended_ = false;
  bool inflated_ended_ = false;
  bool is_compressed_ = false;
  std::exception_ptr pending_;  // thrown in a callback of libarchive's, which is C
  Sha256 compressed_sum_;
  Sha256 diff_sum_;
  std::string compressed_hex_;
  std::string diff_hex_;
  TarHeaders headers_;
  Reader inflater_;
  Reader tar_;
};

}  // namespace image
