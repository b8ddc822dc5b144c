#include "faas-cli/image_words.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "faas-cli/failure.h"

namespace cli {
namespace {

using nlohmann::json;

constexpr std::size_t kTagLength = 128;
constexpr std::size_t kNameLength = 255;
// The end of the year 9999, beyond which a date is not written in four digits.
constexpr std::time_t kLatestTime = 253'402'300'799;

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_letter_or_digit(char c) {
  return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

bool is_path_component(std::string_view text) {
  return !text.empty() && is_lower_or_digit(text.front()) && is_lower_or_digit(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_lower_or_digit(c) || c == '.' || c == '_' || c == '-';
         });
}

// "registry.example:5000" before the first '/'; without a dot or a port it would be a component.
bool is_registry(std::string_view text) {
  if (text != "localhost" && text.find_first_of(".:") == std::string_view::npos) return false;
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon);
  return !host.empty() && is_letter_or_digit(host.front()) && is_letter_or_digit(host.back()) &&
         std::all_of(host.begin(), host.end(),
                     [](char c) { return is_letter_or_digit(c) || c == '.' || c == '-'; }) &&
         port != ":" && port.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

bool is_name(std::string_view name) {
  if (name.size() > kNameLength) return false;
  const std::size_t slash = name.find('/');
  if (slash != std::string_view::npos && is_registry(name.substr(0, slash))) {
    name.remove_prefix(slash + 1);
  }
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    if (!is_path_component(name.substr(begin, end - begin))) return false;
    begin = end + 1;
  }
  return true;
}

bool is_tag(std::string_view tag) {
  return !tag.empty() && tag.size() <= kTagLength && tag.front() != '.' && tag.front() != '-' &&
         std::all_of(tag.begin(), tag.end(), [](char c) {
           return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-';
         });
}

}  // namespace

std::vector<std::string> command_words(const std::string& flag, const std::string& text) {
  if (text.starts_with('[')) {
    const json list = json::parse(text, nullptr, false);
    const bool is_words =
        list.is_array() && !list.empty() &&
        std::all_of(list.begin(), list.end(), [](const json& word) { return word.is_string(); });
    if (is_words) return list.get<std::vector<std::string>>();
    throw_usage(flag + " " + text + R"( is no list of words, as '["/app", "-v"]' is)");
  }
  if (text.empty()) throw_usage(flag + " must not be empty");
  if (text.find_first_of(" \t\n") == std::string::npos) return {text};
  throw_usage(flag + " '" + text +
              "' is one word with blanks in it; for several words write a list: " + flag +
              R"( '["/app", "-v"]')");
}

std::pair<std::string, std::string> key_and_value(const std::string& flag,
                                                  const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    throw_usage(flag + " '" + text + "' is not KEY=VALUE");
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::string full_tag(const std::string& text) {
  const std::size_t slash = text.rfind('/');
  const std::size_t colon = text.find(':', slash == std::string::npos ? 0 : slash);
  const std::string name = text.substr(0, colon);
  const std::string tag = colon == std::string::npos ? "latest" : text.substr(colon + 1);
  if (is_name(name) && is_tag(tag)) return name + ":" + tag;
  throw_usage("--tag '" + text + "' is no name of an image; names are as app, app:2 or " +
              "example.org/team/app:2, without upper-case letters");
}

std::time_t source_date_epoch(std::string_view text) {
  std::time_t seconds = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, seconds);
  if (error == std::errc() && rest == end && seconds >= 0 && seconds <= kLatestTime) return seconds;
  throw_usage("SOURCE_DATE_EPOCH '" + std::string(text) + "' is no number of seconds since 1970");
}

}  // namespace cli
