#include "faasd/script/semver.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace script {
namespace {

constexpr std::size_t kParts = 3;
constexpr std::uint64_t kEnd = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kMaxSelector = 1'024;  // any that a person has written; each word costs
constexpr std::uint64_t kMaxNumber = (1ULL << 53) - 1;  // node-semver's: what a number there holds

using Parts = std::array<std::uint64_t, kParts>;

struct Numbers {
  Parts parts{};          // missing ones are 0
  std::size_t given = 0;  // up to an "x" or the end
  bool early = false;     // "3.11.2-rc.1": just before 3.11.2
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// The text up to `separator`, which is taken off with it.
std::string_view next_of(std::string_view& text, char separator) {
  const std::string_view piece = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(piece.size() + 1, text.size()));
  return piece;
}

// "rc.1", or with zeros in front "build.001".
bool are_identifiers(std::string_view text, bool zeros) {
  if (text.ends_with('.')) return false;
  do {
    const std::string_view each = next_of(text, '.');
    const bool number = std::all_of(each.begin(), each.end(), is_digit);
    if (each.empty() || (number && !zeros && each.size() > 1 && each.front() == '0')) return false;
    const bool known = std::all_of(each.begin(), each.end(), [](char c) {
      return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
    });
    if (!known) return false;
  } while (!text.empty());
  return true;
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(text.data(), end, number);
  if (problem != std::errc() || rest != end || number > kMaxNumber) return std::nullopt;
  return number;
}

// What a language calls its version: numbers and dots, "2024.01" and "1.2.3.4" too.
std::optional<Numbers> parse_version(std::string_view text) {
  Numbers numbers;
  for (; !text.empty() && numbers.given < kParts; ++numbers.given) {
    const std::optional<std::uint64_t> number = number_in(next_of(text, '.'));
    if (!number) return std::nullopt;
    numbers.parts[numbers.given] = *number;
  }
  return numbers.given > 0 ? std::optional(numbers) : std::nullopt;
}

// The same in a selector, with "x" for what may be any, and with what semver.org lets follow.
std::optional<Numbers> parse(std::string_view text) {
  Numbers numbers;
  while (text.starts_with('v') || text.starts_with('=')) text.remove_prefix(1);
  const std::size_t numbers_end = text.find_first_of("-+");
  std::string_view behind = text.substr(std::min(numbers_end, text.size()));
  text = text.substr(0, numbers_end);
  if (text.empty() || text.ends_with('.')) return std::nullopt;
  bool wild = false;
  std::size_t count = 0;
  for (; !text.empty(); ++count) {
    const std::string_view part = next_of(text, '.');
    wild |= count < kParts && (part == "x" || part == "X" || part == "*");
    if (part == "x" || part == "X" || part == "*") continue;
    const std::optional<std::uint64_t> number = number_in(part);
    if (!number || wild || (part.size() > 1 && part.front() == '0')) return std::nullopt;
    // What comes behind three numbers ("1.2.3.4") does not matter to a selector.
    if (count >= kParts) continue;
    numbers.parts[count] = *number;
    numbers.given = count + 1;
  }
  if (behind.empty()) return numbers;
  const std::size_t plus = std::min(behind.find('+'), behind.size());
  if (plus > 0 && count != kParts) return std::nullopt;
  if (plus < behind.size() && !are_identifiers(behind.substr(plus + 1), true)) return std::nullopt;
  numbers.early = plus > 0 && !wild;
  if (plus > 0 && !are_identifiers(behind.substr(1, plus - 1), false)) return std::nullopt;
  return numbers;
}

// The first version that is no longer like the first `same` parts.
Parts after(const Numbers& numbers, std::size_t same) {
  Parts next{kEnd, 0, 0};
  if (same == 0) return next;
  next = {};
  for (std::size_t i = 0; i < same; ++i) next[i] = numbers.parts[i];
  ++next[same - 1];
  return next;
}

std::size_t first_not_zero(const Numbers& numbers) {
  for (std::size_t i = 0; i < kParts; ++i) {
    if (numbers.parts[i] != 0) return i + 1;
  }
  return numbers.given;
}

// Whether a version is no later than what is like `numbers`.
bool is_up_to(const Parts& version, const Numbers& numbers) {
  return version < (numbers.early ? numbers.parts : after(numbers, numbers.given));
}

// One word of a range. Empty if it means nothing.
std::optional<bool> satisfies(std::string_view word, const Parts& version) {
  std::string_view sign;
  for (const std::string_view each : {">=", "<=", ">", "<", "=", "^", "~>", "~"}) {
    if (!word.starts_with(each)) continue;
    sign = each;
    word.remove_prefix(each.size());
    break;
  }
  const std::optional<Numbers> numbers = parse(word);
  if (!numbers) return std::nullopt;
  const Parts& low = numbers->parts;
  if (sign == ">=") return version >= low;
  if (sign == "<") return version < low;
  if (sign == ">") return !is_up_to(version, *numbers);
  if (sign == "<=") return is_up_to(version, *numbers);
  std::size_t same = numbers->given;
  if (sign == "^") same = std::min(first_not_zero(*numbers), numbers->given);
  if (sign.starts_with('~')) same = std::min<std::size_t>(numbers->given, 2);
  if (sign.empty() || sign == "=") {
    if (numbers->early) return false;  // no language has a version of that kind
  }
  return version >= low && version < after(*numbers, same);
}

// What stands between "||". A sign may be apart from its number.
std::vector<std::string> words_in(std::string_view range) {
  std::vector<std::string> words;
  bool goes_on = false;
  for (const char c : range) {
    if (is_space(c)) {
      goes_on = goes_on && std::string_view("<>=~^").find(words.back().back()) != range.npos;
      continue;
    }
    if (!goes_on) words.emplace_back();
    words.back() += c;
    goes_on = true;
  }
  return words;
}

// One range: all of its words, or "FROM - TO", or nothing, which is any. Empty if it means nothing.
std::optional<bool> is_in(std::string_view range, const Parts& version) {
  const std::vector<std::string> words = words_in(range);
  if (words.size() == 3 && words[1] == "-") {
    const std::optional<Numbers> from = parse(words[0]);
    const std::optional<Numbers> to = parse(words[2]);
    if (!from || !to) return std::nullopt;
    return version >= from->parts && is_up_to(version, *to);
  }
  bool all = true;
  for (const std::string& word : words) {
    const std::optional<bool> one = satisfies(word, version);
    if (!one) return std::nullopt;
    all = all && *one;
  }
  return all;
}

}  // namespace

int compare_versions(std::string_view left, std::string_view right) {
  while (!left.empty() || !right.empty()) {
    std::uint64_t numbers[2] = {0, 0};
    std::size_t i = 0;
    for (std::string_view* text : {&left, &right}) {
      const std::string_view part = text->substr(0, text->find('.'));
      text->remove_prefix(part.size() == text->size() ? part.size() : part.size() + 1);
      std::from_chars(part.data(), part.data() + part.size(), numbers[i++]);
    }
    if (numbers[0] != numbers[1]) return numbers[0] < numbers[1] ? -1 : 1;
  }
  return 0;
}

bool selects(std::string_view selector, std::string_view version) {
  const std::optional<Numbers> numbers = parse_version(version);
  if (!numbers || selector.size() > kMaxSelector) return false;
  bool any = false;
  for (;;) {
    const std::size_t bar = selector.find("||");
    const std::optional<bool> one = is_in(selector.substr(0, bar), numbers->parts);
    // One range that means nothing spoils them all: it may be the one that was meant.
    if (!one) return false;
    any = any || *one;
    if (bar == selector.npos) return any;
    selector.remove_prefix(bar + 2);
  }
}

}  // namespace script
