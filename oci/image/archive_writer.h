// Writes one tar archive as a stream: the write side of archive.h, and with it the only place that
// knows libarchive. Bytes leave through a sink at once; content is never held.
// Source: libarchive's archive_write(3), tar(5), POSIX pax(1). Throws what the sink throws, and
// std::runtime_error if libarchive cannot. One thread.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "oci/image/archive.h"

struct archive;

namespace image {

class TarWriter {
 public:
  using Sink = std::function<void(std::string_view)>;

  // pax: whatever a file tree has, with extended headers only where an entry needs them. gnu: a
  // header is one block, whatever the size says, so it can be written after what it describes.
  enum class Format { pax, gnu };

  TarWriter(Format format, Sink sink);
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;
  ~TarWriter();

  // A member; a file's content follows, all `entry.size` bytes of it. Nanoseconds of `mtime` are
  // dropped.
  void add(const Entry& entry);
  // The next bytes of the current file's content.
  void write(std::string_view bytes);
  // The end mark.
  void finish();

 private:
  struct Free {
    void operator()(archive* writer) const noexcept;
  };

  static ssize_t write_sink(archive* writer, void* self, const void* bytes, std::size_t size);
  void check(long long result);

  Sink sink_;
  bool finished_ = false;
  bool abandoned_ = false;
  std::exception_ptr pending_;  // thrown in a callback of libarchive's, which is C
  std::unique_ptr<archive, Free> writer_;
};

// The header of a file's member, one block long.
std::string tar_file_header(const std::string& path, std::uint64_t size);

}  // namespace image
