#include "faasd/journal/ring_file.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace journal {
namespace {

constexpr int kAppend = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW;

// The whole lines of a text, from the last to the first, until there are `count` in `found`.
void take_last_lines(std::string_view text, std::size_t count, std::vector<std::string>& found) {
  text = text.substr(0, text.rfind('\n') + 1);
  while (!text.empty() && found.size() < count) {
    text.remove_suffix(1);
    const std::size_t start = text.rfind('\n') + 1;  // npos + 1 is 0
    const std::string_view line = text.substr(start);
    // What a crash has cut is a line by now, and no JSON.
    if (nlohmann::json::accept(line)) found.emplace_back(line);
    text = text.substr(0, start);
  }
}

}  // namespace

RingFile::RingFile(std::filesystem::path directory, const std::string& name, std::size_t file_bytes)
    : directory_(std::move(directory)),
      newer_(directory_ / (name + ".jsonl")),
      older_(directory_ / (name + ".1.jsonl")),
      file_bytes_(file_bytes) {}

// What an earlier daemon, or a write that failed, has left.
void RingFile::look() {
  sys::make_directory(directory_, 0700);
  const std::string text = sys::read_file_if_exists(newer_, 2 * file_bytes_).value_or("");
  size_ = text.size();
  if (!text.empty() && text.back() != '\n') write("\n");
}

void RingFile::write(std::string_view text) {
  const sys::UniqueFd file = sys::open_file(newer_, kAppend, 0600);
  const std::size_t size = *size_ + text.size();
  size_.reset();
  sys::write_all(file.get(), text, newer_.string());
  size_ = size;
}

void RingFile::append(const std::vector<std::string>& lines) {
  if (!size_) look();
  std::string text;
  for (const std::string& line : lines) {
    if (line.size() >= file_bytes_) sys::throw_errno(EFBIG, "write " + newer_.string());
    if (*size_ + text.size() + line.size() + 1 > file_bytes_) {
      if (!text.empty()) write(text);
      text.clear();
      std::error_code gone;  // there is none if nothing was written yet
      std::filesystem::rename(newer_, older_, gone);
      size_ = 0;
    }
    text += line + "\n";
  }
  if (!text.empty()) write(text);
}

std::vector<std::string> RingFile::tail(std::size_t count) const {
  std::vector<std::string> lines;
  for (const std::filesystem::path& file : {newer_, older_}) {
    if (lines.size() >= count) break;
    take_last_lines(sys::read_file_if_exists(file, 2 * file_bytes_).value_or(""), count, lines);
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

}  // namespace journal
