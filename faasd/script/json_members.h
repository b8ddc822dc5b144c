// The members of a JSON object as they are written, so that a value passes through faasd as it is:
// its numbers keep their digits, its members their order. Any thread; holds views of the text.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace script {

class JsonMembers {
 public:
  // Empty if `text` is no JSON object, nests deeper than bounds::kMaxJsonDepth, has a member twice,
  // or more than bounds::kMaxJsonMembers of them.
  static std::optional<JsonMembers> of(std::string_view text);
  // The same of text that is known to be JSON: a value within another.
  static std::optional<JsonMembers> of_json(std::string_view written);

  bool has(std::string_view key) const { return members_.contains(std::string(key)); }
  // Empty if there is none.
  std::string_view raw(std::string_view key) const;
  // Empty if there is none, or it is no string.
  std::optional<std::string> text(std::string_view key) const;
  std::optional<bool> flag(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  // Of an array. Empty if there is none, it is no array, or has more than `most` of them.
  std::optional<std::vector<std::string_view>> elements(std::string_view key,
                                                        std::size_t most) const;

  std::size_t size() const noexcept { return members_.size(); }

 private:
  std::map<std::string, std::string_view, std::less<>> members_;
};

// What a string of JSON says.
std::string from_json_string(std::string_view written);

// A string as JSON; what is no UTF-8 in it becomes U+FFFD.
std::string to_json_string(std::string_view text);

}  // namespace script
