#include "faas-cli/verb/verb.h"

#include <unistd.h>

#include "faas-cli/terminal.h"
#include "oci/sys/file.h"

namespace cli {

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

std::string function_target(const std::string& name) {
  if (name.empty()) throw_usage("the name of a function must not be empty");
  return "/v1/functions/" + percent_encode(name);
}

CLI::Option* add_json_flag(CLI::App& verb, bool& json) {
  return verb.add_flag("--json", json, "print JSON");
}

}  // namespace cli
