#include "faas-cli/function_text.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "faas-cli/terminal.h"
#include "faas-cli/units.h"

namespace cli {
namespace {

// As many digits of a digest as Docker shows.
constexpr std::size_t kShortDigestDigits = 12;
constexpr std::string_view kGap = "  ";
// An object nested deeper than this is shown as JSON: no true answer has one.
constexpr int kDepthMax = 4;

// What a description starts with, whatever order the daemon sends: what people look for comes
// first, the long lists last. Other fields follow as they come.
constexpr std::array kFirstFields = {
    "name",          "ip",         "port",   "protocol", "version", "rollback_of",
    "kept_versions", "created_at", "image",  "cmd",      "mode",    "launcher",
    "warm",          "live",       "parked", "snapshot", "queued",  "invocations",
    "limits",        "env",        "rootfs", "host_ids",
};
constexpr const char* kLastField = "config";

struct Column {
  const char* title;
  const char* key;
  bool number = false;
};

constexpr std::array kColumns = {
    Column{"NAME", "name"},
    Column{"IP", "ip"},
    Column{"VERSION", "version", true},
    Column{"IMAGE", "image"},
    Column{"MODE", "mode"},
    Column{"LIVE", "live", true},
    Column{"PARKED", "parked", true},
    Column{"QUEUED", "queued", true},
    Column{"INVOCATIONS", "invocations", true},
};

constexpr std::array kVersionColumns = {
    Column{"VERSION", "version", true}, Column{"CURRENT", "current"},    Column{"IMAGE", "image"},
    Column{"CREATED", "created_at"},    Column{"ORIGIN", "rollback_of"},
};

constexpr std::array kRuntimeColumns = {
    Column{"LANGUAGE", "language"}, Column{"VERSION", "version"}, Column{"ALIASES", "aliases"},
    Column{"FUNCTION", "function"}, Column{"IMAGE", "image"},
};

std::string short_digest(std::string digest) {
  const std::size_t colon = digest.find(':');
  if (colon != std::string::npos) digest.erase(0, colon + 1);
  return digest.substr(0, kShortDigestDigits);
}

std::string pad(const std::string& text, std::size_t width, bool right) {
  const std::size_t columns = column_count(text);
  const std::string space(columns < width ? width - columns : 0, ' ');
  return right ? space + text : text + space;
}

std::string words_of(const Json& list) {
  std::string text;
  for (const Json& word : list) {
    text += (text.empty() ? "" : " ") + (word.is_string() ? word.get<std::string>() : word.dump());
  }
  return text.empty() ? "-" : text;
}

std::string cell_text(const Json& object, const std::string& key) {
  if (key == "aliases") return printable(words_of(list_of(object, key)));
  const std::string text = text_of(object, key);
  if (key == "image") return printable(short_digest(text));
  if (key == "current") return text == "true" ? "*" : "";
  if (key == "rollback_of") return text == "-" ? "deployed" : "rollback of " + printable(text);
  return printable(text);
}

template <std::size_t N>
std::string table_text(const std::array<Column, N>& columns, const Json& objects) {
  using Row = std::array<std::string, N>;
  std::vector<Row> rows(1);
  for (std::size_t i = 0; i < N; ++i) rows[0][i] = columns[i].title;
  for (const Json& object : objects) {
    Row& row = rows.emplace_back();
    for (std::size_t i = 0; i < N; ++i) row[i] = cell_text(object, columns[i].key);
  }
  std::array<std::size_t, N> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < N; ++i) widths[i] = std::max(widths[i], column_count(row[i]));
  }
  std::string table;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < N; ++i) {
      if (i > 0) line += kGap;
      line += pad(row[i], widths[i], columns[i].number);
    }
    table += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return table;
}

bool is_scalar(const Json& value) {
  return !value.is_structured();
}

bool is_word_list(const std::string& key) {
  return key == "env";
}

std::string scalar_text(const std::string& key, const Json& value) {
  if (value.is_string()) {
    const std::string text = printable(value.get<std::string>());
    return text.empty() ? "-" : text;
  }
  if (value.is_null()) return "-";
  if (value.is_number_unsigned() && key.ends_with("_bytes")) {
    return format_bytes(value.get<std::uint64_t>()) + " (" + value.dump() + " bytes)";
  }
  if (value.is_number_unsigned() && key.ends_with("_ms")) {
    return format_milliseconds(value.get<std::uint64_t>());
  }
  return value.dump();
}

// The unit is in the value then.
std::string label_of(const std::string& key) {
  std::string_view label = key;
  for (const std::string_view unit : {"_bytes", "_ms"}) {
    if (label.ends_with(unit)) label.remove_suffix(unit.size());
  }
  return printable(label) + ":";
}

void append_object(std::string& page, const Json& object, int depth);

void append_entry(std::string& page, const std::string& key, const Json& value, std::size_t width,
                  int depth) {
  const std::string indent(static_cast<std::size_t>(depth) * kGap.size(), ' ');
  if (value.is_object() && !value.empty() && depth < kDepthMax) {
    page += indent + label_of(key) + "\n";
    append_object(page, value, depth + 1);
    return;
  }
  const bool all_scalar = std::all_of(value.begin(), value.end(), is_scalar);
  if (value.is_array() && !value.empty() && is_word_list(key) && all_scalar) {
    page += indent + label_of(key) + "\n";
    for (const Json& item : value) {
      page += indent + std::string(kGap) + scalar_text("", item) + "\n";
    }
    return;
  }
  const std::string text = is_scalar(value) ? scalar_text(key, value)
                           : value.empty()  ? "-"
                                            : value.dump(-1, ' ', true);
  page += indent + pad(label_of(key), width, false) + kGap.data() + text + "\n";
}

void append_object(std::string& page, const Json& object, int depth) {
  std::size_t width = 0;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_object() || value.empty()) width = std::max(width, column_count(label_of(key)));
  }
  for (const auto& [key, value] : object.items()) append_entry(page, key, value, width, depth);
}

}  // namespace

std::string list_text(const Json& functions) {
  return table_text(kColumns, functions);
}

std::string versions_text(const Json& versions) {
  return table_text(kVersionColumns, versions);
}

std::string runtimes_text(const Json& runtimes) {
  return table_text(kRuntimeColumns, runtimes);
}

std::string describe_text(const Json& function) {
  Json ordered = Json::object();
  for (const char* key : kFirstFields) {
    if (function.contains(key)) ordered[key] = function[key];
  }
  for (const auto& [key, value] : function.items()) {
    if (key != kLastField && !ordered.contains(key)) ordered[key] = value;
  }
  if (function.contains(kLastField)) ordered[kLastField] = function[kLastField];
  std::string page;
  append_object(page, ordered, 0);
  return page;
}

}  // namespace cli
