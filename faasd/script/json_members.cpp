#include "faasd/script/json_members.h"

#include <nlohmann/json.hpp>

#include "faasd/script/bounds.h"

namespace script {
namespace {

using nlohmann::json;

// Of text that is known to be JSON: where the next value, or member, ends.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) { skip_space(); }

  char here() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }

  // Steps over one byte and the space behind it.
  void step() {
    ++at_;
    skip_space();
  }

  // Steps over one value. False if it nests too deep.
  bool take_value(std::string_view& value) {
    const std::size_t start = at_;
    std::size_t depth = 0;
    do {
      if (here() == '"') {
        skip_string();
      } else if (here() == '{' || here() == '[') {
        if (++depth > bounds::kMaxJsonDepth) return false;
        ++at_;
      } else if (here() == '}' || here() == ']') {
        --depth;
        ++at_;
      } else if (depth > 0) {
        ++at_;
      } else {
        skip_word();
      }
    } while (depth > 0);
    value = text_.substr(start, at_ - start);
    skip_space();
    return true;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }
  void skip_string() {
    for (++at_; here() != '"'; ++at_) at_ += here() == '\\' ? 1 : 0;
    ++at_;
  }
  void skip_word() {  // a number, true, false, null
    while (at_ < text_.size() && std::string_view(",}] \t\r\n").find(text_[at_]) == text_.npos) {
      ++at_;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<JsonMembers> JsonMembers::of(std::string_view text) {
  Scanner scanner(text);
  if (scanner.here() != '{' || !json::accept(text)) return std::nullopt;
  return of_json(text);
}

std::optional<JsonMembers> JsonMembers::of_json(std::string_view written) {
  Scanner scanner(written);
  if (scanner.here() != '{') return std::nullopt;
  JsonMembers members;
  scanner.step();
  while (scanner.here() != '}') {
    std::string_view key;
    std::string_view value;
    scanner.take_value(key);
    scanner.step();  // the colon
    if (!scanner.take_value(value)) return std::nullopt;
    if (members.size() == bounds::kMaxJsonMembers) return std::nullopt;
    if (!members.members_.emplace(from_json_string(key), value).second) return std::nullopt;
    if (scanner.here() == ',') scanner.step();
  }
  return members;
}

std::string_view JsonMembers::raw(std::string_view key) const {
  const auto it = members_.find(key);
  return it == members_.end() ? std::string_view() : it->second;
}

std::optional<std::string> JsonMembers::text(std::string_view key) const {
  const std::string_view value = raw(key);
  if (value.empty() || value.front() != '"') return std::nullopt;
  return from_json_string(value);
}

std::optional<bool> JsonMembers::flag(std::string_view key) const {
  const std::string_view value = raw(key);
  if (value == "true") return true;
  if (value == "false") return false;
  return std::nullopt;
}

std::optional<double> JsonMembers::number(std::string_view key) const {
  const std::string_view value = raw(key);
  const bool is_number =
      !value.empty() && std::string_view("-0123456789").find(value[0]) != value.npos;
  return is_number ? std::optional(json::parse(value).get<double>()) : std::nullopt;
}

std::optional<std::vector<std::string_view>> JsonMembers::elements(std::string_view key,
                                                                   std::size_t most) const {
  Scanner scanner(raw(key));
  if (scanner.here() != '[') return std::nullopt;
  std::vector<std::string_view> elements;
  scanner.step();
  while (scanner.here() != ']') {
    std::string_view value;
    if (elements.size() == most || !scanner.take_value(value)) return std::nullopt;
    elements.push_back(value);
    if (scanner.here() == ',') scanner.step();
  }
  return elements;
}

std::string from_json_string(std::string_view written) {
  return std::move(json::parse(written).get_ref<std::string&>());
}

std::string to_json_string(std::string_view text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace script
