#include "faas-cli/record_text.h"

#include <array>
#include <cstdint>
#include <cstdio>

#include "faas-cli/terminal.h"
#include "faas-cli/units.h"

namespace cli {
namespace {

constexpr std::size_t kShortInstance = 8;
constexpr const char* kGap = "  ";

struct Column {
  const char* title;
  int width;  // negative: to the left
};
constexpr std::array kColumns = {
    Column{"TIME", -24},  Column{"INSTANCE", -8}, Column{"VERSION", 7}, Column{"OUTCOME", -13},
    Column{"QUEUE", 9},   Column{"LAUNCH", 9},    Column{"RUN", 9},     Column{"CPU", 9},
    Column{"MEMORY", 10}, Column{"IN", 10},       Column{"OUT", 10},
};

std::string cell(const std::string& text, int width) {
  const std::size_t wanted = static_cast<std::size_t>(width < 0 ? -width : width);
  const std::size_t columns = column_count(text);
  const std::string space(columns < wanted ? wanted - columns : 0, ' ');
  return width < 0 ? text + space : space + text;
}

std::string short_instance(const Json& record) {
  const std::string id = text_of(record, "instance");
  return id.empty() ? "-" : printable(id.substr(0, kShortInstance));
}

std::string milliseconds(const Json& receipt, const char* key) {
  const auto value = receipt.find(key);
  if (value == receipt.end() || !value->is_number()) return "-";
  const double ms = value->get<double>();
  if (ms >= 1000) return format_milliseconds(static_cast<std::uint64_t>(ms));
  char text[32];
  (void)std::snprintf(text, sizeof text, "%.1f ms", ms);
  return text;
}

std::string bytes(const Json& receipt, const char* key) {
  const auto value = receipt.find(key);
  if (value == receipt.end() || !value->is_number_unsigned()) return "-";
  return format_bytes(value->get<std::uint64_t>());
}

bool is_nonzero(const Json& receipt, const char* key) {
  const auto value = receipt.find(key);
  return value != receipt.end() && value->is_number() && *value != 0;
}

// What the outcome does not say by itself.
std::string details(const Json& receipt) {
  std::string text;
  if (const std::string start = text_of(receipt, "start"); start != "cold") text += " " + start;
  if (is_nonzero(receipt, "exit_code")) text += " exit code " + text_of(receipt, "exit_code");
  if (is_nonzero(receipt, "escapes")) text += " escapes " + text_of(receipt, "escapes");
  if (receipt.contains("reason")) text += " " + text_of(receipt, "reason");
  return printable(text);
}

}  // namespace

std::string receipt_title() {
  std::string line;
  for (const Column& column : kColumns) line += cell(column.title, column.width) + kGap;
  return line + "DETAILS\n";
}

std::string receipt_line(const Json& receipt) {
  const std::array<std::string, kColumns.size()> cells = {printable(text_of(receipt, "started_at")),
                                                          short_instance(receipt),
                                                          printable(text_of(receipt, "version")),
                                                          printable(text_of(receipt, "outcome")),
                                                          milliseconds(receipt, "queue_ms"),
                                                          milliseconds(receipt, "launch_ms"),
                                                          milliseconds(receipt, "run_ms"),
                                                          milliseconds(receipt, "cpu_ms"),
                                                          bytes(receipt, "memory_peak_bytes"),
                                                          bytes(receipt, "bytes_in"),
                                                          bytes(receipt, "bytes_out")};
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) line += cell(cells[i], kColumns[i].width) + kGap;
  line += details(receipt).erase(0, 1);
  return line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
}

std::string output_line(const Json& record) {
  std::string line = printable(text_of(record, "time")) + kGap + short_instance(record) + kGap;
  if (record.contains("dropped_bytes")) {
    return line + "[its " + printable(text_of(record, "stream")) +
           " was cut: " + printable(text_of(record, "dropped_bytes")) + " bytes more]\n";
  }
  return line + printable(text_of(record, "text")) + "\n";
}

}  // namespace cli
