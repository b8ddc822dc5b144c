// The image on its way in: stdin, a file, or a directory in the OCI image layout, which becomes a
// tar as it is read; in pieces and never held. Its size is known but for a pipe. What a file or
// directory holds is known beforehand as well, and what the daemon has can be left out
// (known_layers.h). One thread. Throws Failure(usage) that names the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "oci/image/archive_index.h"
#include "oci/sys/unique_fd.h"

namespace cli {

class Upload {
 public:
  // No file, or "-", is stdin. A terminal is refused: nobody types a tarball.
  static Upload open(const std::optional<std::string>& file, const std::string& function_name);
  // A file or a pipe that is open already, from where it stands; `name` is for messages.
  static Upload take(sys::UniqueFd fd, const std::string& name);

  // What is in it; null if that cannot be known without reading it all.
  const image::ArchiveIndex* index() const noexcept { return index_ ? &*index_ : nullptr; }
  // Sends these members of the index, and no others.
  void send_only(const std::vector<const image::ArchiveMember*>& members);

  // How many bytes there will be, from the current position of the file.
  std::optional<std::uint64_t> size() const noexcept { return size_; }
  // What to poll(2); -1 while bytes of `await_first_bytes` are still there.
  int poll_fd() const noexcept;

  // Blocks until the first bytes are there. Throws Failure if there will be none, before anything
  // was asked of the daemon.
  void await_first_bytes();
  // The next bytes, at most `size`; 0 at the end.
  std::size_t read(char* bytes, std::size_t size);

  const std::string& name() const noexcept { return name_; }

 private:
  Upload(sys::UniqueFd fd, std::string name);

  static Upload open_directory(const std::string& path);
  std::size_t read_input(char* bytes, std::size_t size);
  std::size_t read_pieces(char* bytes, std::size_t size);
  std::size_t read_piece(char* bytes, std::size_t size);

  sys::UniqueFd fd_;
  std::string name_;
  std::optional<std::uint64_t> size_;
  std::optional<image::ArchiveIndex> index_;
  std::optional<std::deque<image::ArchivePiece>> pieces_;  // what is left of them; else all is sent
  sys::UniqueFd piece_fd_;     // the file of the first one, once it is open
  std::optional<char> first_;  // read ahead to tell an empty input from a slow one
};

}  // namespace cli
