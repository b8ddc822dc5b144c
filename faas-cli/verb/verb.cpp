#include "faas-cli/verb/verb.h"

#include <unistd.h>

#include <algorithm>

#include "faas-cli/terminal.h"
#include "oci/sys/file.h"

namespace cli {
namespace {

constexpr std::size_t kNameBytes = 64;

bool is_lower_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

}  // namespace

DaemonClient Context::client() const {
  return DaemonClient(resolve_endpoint(endpoint_flags, process_environment()));
}

void print(std::string_view text) {
  sys::write_all(STDOUT_FILENO, text, "stdout");
}

void print_error(std::string_view message) noexcept {
  try {
    sys::write_all(STDERR_FILENO, "faas: " + printable(message) + "\n", "stderr");
  } catch (...) {
    // Nobody is left to tell.
  }
}

bool is_function_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kNameBytes && is_lower_or_digit(name.front()) &&
         is_lower_or_digit(name.back()) && std::all_of(name.begin(), name.end(), [](char c) {
           return is_lower_or_digit(c) || c == '.' || c == '_' || c == '-';
         });
}

std::string function_target(const std::string& name) {
  if (!is_function_name(name)) {
    throw_usage("'" + name +
                "' is no name of a function: names are 1 to 64 of a-z, 0-9, '.', '_' " +
                "and '-', with a letter or digit first and last");
  }
  return "/v1/functions/" + name;
}

CLI::Option* add_json_flag(CLI::App& verb, bool& json) {
  return verb.add_flag("--json", json, "print JSON");
}

}  // namespace cli
