// The latest lines of something in two files of bounded size: NAME.jsonl, and NAME.1.jsonl, which
// was full before it. When both are full the older goes. A write that was cut short (kill -9, a
// full disk) leaves half a line; it is closed by the next write and left out by every reader. Root
// only: mode 0600 in a directory 0700, both made with the first line. Not synced: a power cut may
// cost the last seconds. One thread at a time. Throws std::system_error that names the file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace journal {

class RingFile {
 public:
  RingFile(std::filesystem::path directory, const std::string& name, std::size_t file_bytes);

  // Lines of JSON, without newlines. One that no file can hold is an error: EFBIG.
  void append(const std::vector<std::string>& lines);

  // The last `count` whole lines, the oldest first.
  std::vector<std::string> tail(std::size_t count) const;

 private:
  void look();
  void write(std::string_view text);

  std::filesystem::path directory_;
  std::filesystem::path newer_;
  std::filesystem::path older_;
  std::size_t file_bytes_;
  std::optional<std::size_t> size_;  // of the newer file; empty: not looked at since a failure
};

}  // namespace journal
