// What faasd, its launcher and the slots say to each other: numbers and strings, one after the
// other, as this machine stores them. They are one program in two files, made together and started
// by each other; what does not fit is a fault and throws std::runtime_error. Any thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace runtime::native {

// A container's arguments and environment are nearly all of it. Linux takes a quarter of the stack,
// 2 MiB as a rule, of both together (execve(2)).
inline constexpr std::size_t kMaxMessage = 2u << 20;

class Writer {
 public:
  void number(std::uint64_t value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void string(std::string_view value) {
    number(value.size());
    bytes_.append(value);
  }
  void strings(const std::vector<std::string>& values) {
    number(values.size());
    for (const std::string& value : values) string(value);
  }
  const std::string& bytes() const noexcept { return bytes_; }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  std::uint64_t number() {
    std::uint64_t value = 0;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::uint32_t small_number() { return static_cast<std::uint32_t>(number()); }
  std::string string() { return std::string(take(number())); }
  std::vector<std::string> strings() {
    std::vector<std::string> values;
    for (std::uint64_t left = number(); left > 0; --left) values.push_back(string());
    return values;
  }
  bool at_end() const noexcept { return left_.empty(); }

 private:
  std::string_view take(std::uint64_t size) {
    if (size > left_.size()) throw std::runtime_error("a message ends too early");
    const std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }

  std::string_view left_;
};

}  // namespace runtime::native
