// The options of a deploy, from their text: set_option of function.h, as one table.
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <string>
#include <string_view>

#include "faasd/function/bounds.h"
#include "faasd/function/function.h"
#include "oci/sys/error.h"

namespace function {
namespace {

using std::chrono::milliseconds;

[[noreturn]] void bad(const std::string& key, const std::string& text, const std::string& wanted) {
  throw sys::Refused(sys::Refusal::invalid, "bad_option",
                     "the option '" + key + "' is " + wanted + ", not '" + text + "'");
}

struct Unit {
  std::string_view suffix;
  double factor;
};

constexpr Unit kByteUnits[] = {{"", 1},
                               {"B", 1},
                               {"K", 1024.0},
                               {"M", 1024.0 * 1024},
                               {"G", 1024.0 * 1024 * 1024},
                               {"T", 1024.0 * 1024 * 1024 * 1024}};
constexpr Unit kTimeUnits[] = {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"", 1e3}};
constexpr Unit kPlain[] = {{"", 1}};

// "1.5G" in the smallest unit; NaN if it is not a number with one of the units.
template <std::size_t N>
double parse_quantity(const std::string& text, const Unit (&units)[N]) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number)) return std::nan("");
  for (const Unit& unit : units) {
    if (std::string_view(rest, static_cast<std::size_t>(end - rest)) == unit.suffix) {
      return number * unit.factor;
    }
  }
  return std::nan("");
}

template <typename T, std::size_t N>
T quantity(const std::string& key, const std::string& text, const Unit (&units)[N], double low,
           double high, const std::string& wanted) {
  const double value = parse_quantity(text, units);
  // Written so that NaN fails too.
  if (!(value >= low && value <= high)) bad(key, text, wanted);
  return static_cast<T>(value);
}

std::uint64_t bytes(const std::string& key, const std::string& text, std::uint64_t low,
                    std::uint64_t high = bounds::kMaxMemoryBytes,
                    const std::string& high_text = "1T") {
  return quantity<std::uint64_t>(
      key, text, kByteUnits, static_cast<double>(low), static_cast<double>(high),
      "a size such as 64K or 1M, from " + std::to_string(low) + " bytes to " + high_text);
}

std::uint32_t count(const std::string& key, const std::string& text, std::uint32_t low,
                    std::uint32_t high, const std::string& or_else = "") {
  const std::string wanted =
      "a whole number from " + std::to_string(low) + " to " + std::to_string(high) + or_else;
  const auto value = quantity<double>(key, text, kPlain, low, high, wanted);
  if (value != std::floor(value)) bad(key, text, wanted);
  return static_cast<std::uint32_t>(value);
}

void add_env(Options& options, const std::string& key, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || text.find('\0') != std::string::npos) {
    bad(key, text, "KEY=value");
  }
  std::size_t total = text.size();
  for (const std::string& entry : options.env) total += entry.size();
  if (text.size() > bounds::kMaxEnvBytes || total > bounds::kMaxEnvTotalBytes ||
      options.env.size() >= bounds::kMaxEnvEntries) {
    throw sys::Refused(sys::Refusal::too_large, "env_too_large",
                       "the environment is limited to 1024 entries, 128 KiB each, 1 MiB in all");
  }
  options.env.push_back(text);
}

void set_mode(Options& options, const std::string& key, const std::string& text) {
  if (text != kEphemeral && text != kBranched) bad(key, text, "'ephemeral' or 'branched'");
  options.mode = text;
}

void set_warm(Options& options, const std::string& key, const std::string& text) {
  options.warm = {};
  if (text == "auto") {
    options.warm.automatic = true;
  } else {
    options.warm.instances = count(key, text, 0, bounds::kMaxWarm, ", or 'auto'");
  }
}

using Setter = std::function<void(Options&, const std::string&, const std::string&)>;
struct Option {
  std::string_view key;
  Setter set;
};

const std::array<Option, 17>& options_table() {
  static const std::array<Option, 17> table = {{
      {"memory",
       [](Options& o, const auto& k, const auto& t) {
         o.limits.memory_bytes = bytes(k, t, bounds::kMinMemoryBytes);
       }},
      {"cpus",
       [](Options& o, const auto& k, const auto& t) {
         o.limits.cpus = quantity<double>(k, t, kPlain, bounds::kMinCpus, bounds::kMaxCpus,
                                          "a number of processors from 0.01 to 1024");
       }},
      {"pids",
       [](Options& o, const auto& k, const auto& t) {
         o.limits.pids = count(k, t, bounds::kMinPids, bounds::kMaxPids);
       }},
      {"timeout",
       [](Options& o, const auto& k, const auto& t) {
         o.limits.timeout = parse_duration(k, t, bounds::kMinTimeout);
       }},
      {"concurrency",
       [](Options& o, const auto& k, const auto& t) {
         o.limits.concurrency = count(k, t, 1, bounds::kMaxConcurrency);
       }},
      {"queue", [](Options& o, const auto& k,
                   const auto& t) { o.limits.queue = count(k, t, 0, bounds::kMaxQueue); }},
      {"queue_timeout",
       [](Options& o, const auto& k, const auto& t) {
         o.limits.queue_timeout = parse_duration(k, t, bounds::kMinTimeout);
       }},
      {"tmpfs", [](Options& o, const auto& k,
                   const auto& t) { o.limits.tmpfs_bytes = bytes(k, t, bounds::kMinTmpfsBytes); }},
      {"open_files",
       [](Options& o, const auto& k, const auto& t) {
         o.limits.open_files = count(k, t, bounds::kMinOpenFiles, bounds::kMaxOpenFiles);
       }},
      {"file_size",
       [](Options& o, const auto& k, const auto& t) {
         o.limits.file_size_bytes = bytes(k, t, bounds::kMinFileBytes);
       }},
      {"output",
       [](Options& o, const auto& k, const auto& t) {
         o.limits.output_bytes = bytes(k, t, 0, bounds::kMaxOutputBytes, "256K");
       }},
      {"env", add_env},
      {"protocol", [](Options& o, const auto&, const auto& t) { o.protocol = protocol_from(t); }},
      {"launcher", [](Options& o, const auto&, const auto& t) { o.launcher = t; }},
      {"mode", set_mode},
      {"warm", set_warm},
      {"language", [](Options& o, const auto&, const auto& t) { o.language = parse_language(t); }},
  }};
  return table;
}

}  // namespace

milliseconds parse_duration(const std::string& key, const std::string& text, milliseconds low) {
  return milliseconds(quantity<std::int64_t>(key, text, kTimeUnits,
                                             static_cast<double>(low.count()),
                                             static_cast<double>(bounds::kMaxTimeout.count()),
                                             "a time such as 500ms, 30s or 5m, up to 24h"));
}

std::uint64_t parse_bytes(const std::string& key, const std::string& text, std::uint64_t low,
                          std::uint64_t high) {
  return bytes(key, text, low, high, std::to_string(high) + " bytes");
}

void set_option(Options& options, const std::string& key, const std::string& text) {
  for (const Option& option : options_table()) {
    if (option.key == key) return option.set(options, key, text);
  }
  throw sys::Refused(sys::Refusal::invalid, "unknown_option", "there is no option '" + key + "'");
}

}  // namespace function
