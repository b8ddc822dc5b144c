#include "oci/sys/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <nlohmann/json.hpp>

#include "oci/sys/error.h"

namespace sys {
namespace {

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warn", "error"};

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// JSON's own escaping, with invalid UTF-8 replaced; control characters cannot survive it.
std::string quoted(const std::string& value) {
  return nlohmann::json(value).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

bool is_bare(const std::string& value) {
  if (value.empty()) return false;
  for (const char c : value) {
    if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\') return false;
  }
  return true;
}

std::string value_text(const LogField& field, bool always_quote) {
  return std::visit(
      [&](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return !always_quote && is_bare(v) ? v : quoted(v);
        } else {
          return nlohmann::json(v).dump();
        }
      },
      field.value);
}

}  // namespace

LogLevel log_level_from(std::string_view word) {
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    if (kLevelNames[i] == word) return static_cast<LogLevel>(i);
  }
  throw Refused(Refusal::invalid, "bad_log_level",
                "the log level is debug, info, warn or error, not '" + std::string(word) + "'");
}

LogFormat log_format_from(std::string_view word) {
  if (word == "text") return LogFormat::text;
  if (word == "json") return LogFormat::json;
  throw Refused(Refusal::invalid, "bad_log_format",
                "the log format is text or json, not '" + std::string(word) + "'");
}

Log::Log(LogLevel level, LogFormat format)
    : format_(format),
      logger_(std::make_shared<spdlog::logger>("faasd",
                                               std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  logger_->set_level(spdlog_level(level));
  logger_->set_pattern(format == LogFormat::json
                           ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                           : "%Y-%m-%dT%H:%M:%S.%eZ %-7l %v",
                       spdlog::pattern_time_type::utc);
}

Log::~Log() = default;

std::string Log::format_line(LogFormat format, std::string_view event, Fields fields) {
  const bool json = format == LogFormat::json;
  std::string line = json ? "\"event\":" + quoted(std::string(event)) : std::string(event);
  for (const LogField& field : fields) {
    line += json ? "," + quoted(std::string(field.key)) + ":" : " " + std::string(field.key) + "=";
    line += value_text(field, json);
  }
  return line;
}

void Log::write(LogLevel level, std::string_view event, Fields fields) const {
  if (!logger_->should_log(spdlog_level(level))) return;
  logger_->log(spdlog_level(level), "{}", format_line(format_, event, fields));
}

void Log::debug(std::string_view event, Fields f) const {
  write(LogLevel::debug, event, f);
}
void Log::info(std::string_view event, Fields f) const {
  write(LogLevel::info, event, f);
}
void Log::warn(std::string_view event, Fields f) const {
  write(LogLevel::warn, event, f);
}
void Log::error(std::string_view event, Fields f) const {
  write(LogLevel::error, event, f);
}

void Log::announce(std::string_view event, Fields fields) const {
  // Past the level check of logger_, through the same sink and pattern.
  const std::string line = format_line(format_, event, fields);
  logger_->sinks().front()->log(spdlog::details::log_msg("faasd", spdlog::level::info, line));
}

}  // namespace sys
