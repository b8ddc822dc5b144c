// Structured log lines on stderr: one line an event, `time level event key=value …` or JSON.
// The event is a fixed snake_case word, everything that varies is a field. Values are escaped, so
// that nothing a client or a container says can forge a line. Any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace spdlog {
class logger;
}

namespace sys {

enum class LogLevel { debug, info, warn, error };
enum class LogFormat { text, json };

// Throws Refused for a word that is not a level or a format.
LogLevel log_level_from(std::string_view word);
LogFormat log_format_from(std::string_view word);

struct LogField {
  template <typename T>
  LogField(std::string_view k, const T& v) : key(k), value(make(v)) {}

  std::string_view key;
  std::variant<std::string, std::int64_t, double, bool> value;

 private:
  template <typename T>
  static std::variant<std::string, std::int64_t, double, bool> make(const T& v) {
    if constexpr (std::is_same_v<T, bool>) {
      return v;
    } else if constexpr (std::is_integral_v<T>) {
      return static_cast<std::int64_t>(v);
    } else if constexpr (std::is_floating_point_v<T>) {
      return static_cast<double>(v);
    } else {
      return std::string(v);
    }
  }
};

class Log {
 public:
  using Fields = std::initializer_list<LogField>;

  Log(LogLevel level, LogFormat format);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void debug(std::string_view event, Fields fields = {}) const;
  void info(std::string_view event, Fields fields = {}) const;
  void warn(std::string_view event, Fields fields = {}) const;
  void error(std::string_view event, Fields fields = {}) const;

  // At level info, and never left out: what others wait for ("ready").
  void announce(std::string_view event, Fields fields = {}) const;

  // The text of one line without time and level; public because the tests look at it.
  static std::string format_line(LogFormat format, std::string_view event, Fields fields);

 private:
  void write(LogLevel level, std::string_view event, Fields fields) const;

  LogFormat format_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace sys
