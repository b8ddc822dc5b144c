// The tarball on its way in: stdin or a file, read in pieces and never held. Its size is known for
// a regular file (also one that is stdin), and not for a pipe. One thread. Throws Failure(usage)
// that names the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "oci/sys/unique_fd.h"

namespace cli {

class Upload {
 public:
  // No file, or "-", is stdin. A terminal is refused: nobody types a tarball.
  static Upload open(const std::optional<std::string>& file, const std::string& function_name);

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

  std::size_t read_input(char* bytes, std::size_t size);

  sys::UniqueFd fd_;
  std::string name_;
  std::optional<std::uint64_t> size_;
  std::optional<char> first_;  // read ahead to tell an empty input from a slow one
};

}  // namespace cli
