// Bytes on their way from one thread to another, in order. Up to a bound in memory; what the reader
// is behind by more than that waits in a file without a name, up to a second bound; beyond that the
// writer waits. So one layer can be written to the disk while the next one is already arriving,
// whatever their sizes are. One writer thread, one reader thread. Throws std::system_error.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include "oci/sys/unique_fd.h"

namespace image {

struct SpoolBounds {
  std::uint64_t memory_bytes = 0;
  std::uint64_t file_bytes = 0;  // of more than one put, or none would fit
};

class Spool {
 public:
  // The file, if one is needed, is made in `dir_fd`, which must stay open.
  Spool(int dir_fd, const SpoolBounds& bounds);

  // Of the writer. False once the reader has left: nobody wants the bytes.
  bool put(std::string bytes);
  void close();  // the end: all has been put

  // Of the reader: the next bytes, empty at the end; valid until the next call. Throws
  // std::system_error(ECANCELED) if the writer has left without an end.
  std::string_view take();

  // Of either: it comes no more, and the other one shall not wait.
  void leave();

 private:
  void put_in_file(std::string_view bytes);

  const int dir_fd_;
  const SpoolBounds bounds_;
  std::string taken_;  // the reader's

  std::mutex mutex_;  // guards what follows; not held while the file is read or written
  std::condition_variable changed_;
  std::deque<std::string> memory_;  // older than all that is in the file
  std::uint64_t memory_bytes_ = 0;
  sys::UniqueFd file_;
  // What lies between these is still to be read. They only grow; the file is a ring.
  std::uint64_t file_begin_ = 0;
  std::uint64_t file_end_ = 0;
  bool closed_ = false;
  bool left_ = false;
};

}  // namespace image
