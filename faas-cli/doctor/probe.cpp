#include "faas-cli/doctor/probe.h"

#include <sstream>

#include "oci/sys/file.h"

namespace cli::doctor {
namespace {

// The longest of these files is /proc/net/tcp of a busy host.
constexpr std::size_t kTextBytesMax = 32 << 20;
}  // namespace

std::optional<std::string> read_text(const Host& host, std::string_view path) {
  return sys::read_file_if_exists(host.root / path, kTextBytesMax);
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream stream{std::string(text)};
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::istringstream stream{std::string(text)};
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::optional<std::string> value_after(std::string_view text, std::string_view key) {
  for (const std::string& line : split_lines(text)) {
    if (!line.starts_with(key)) continue;
    const std::size_t start = line.find_first_not_of(" \t", key.size());
    if (start == std::string::npos) return "";
    return line.substr(start, line.find_last_not_of(" \t\r") + 1 - start);
  }
  return std::nullopt;
}

}  // namespace cli::doctor
