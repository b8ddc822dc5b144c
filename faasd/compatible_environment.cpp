#include "faasd/compatible_environment.h"

#include <charconv>

#include "oci/sys/error.h"

namespace {

std::uint16_t port_in(const char* variable, const std::string& text) {
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(text.data(), end, port);
  if (problem == std::errc() && rest == end && port != 0) return port;
  throw sys::Refused(sys::Refusal::invalid, "bad_option",
                     std::string(variable) + " is a port, not '" + text + "'");
}

// Where go-faas listens on all addresses, this one is not seen by other hosts without a token.
std::string listen_address(const std::string& port) {
  return "127.0.0.1:" + std::to_string(port_in("HTTP_PORT", port));
}

std::string redis_url(const Environment& environment, const std::string& host) {
  std::string url = "redis://";
  if (const auto password = environment("REDIS_PASSWORD"); password && !password->empty()) {
    constexpr char kHex[] = "0123456789ABCDEF";
    url += ":";
    for (const char c : *password) {
      const auto byte = static_cast<unsigned char>(c);
      url += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
    url += "@";
  }
  const std::uint16_t port = port_in("REDIS_PORT", environment("REDIS_PORT").value_or("6379"));
  return url + host + ":" + std::to_string(port) + "/" + environment("REDIS_DB").value_or("0");
}

}  // namespace

void apply_go_faas_environment(Options& options, const Environment& environment,
                               const std::function<bool(const char* flag)>& is_given) {
  const auto value_of = [&](const char* variable, const char* flag) -> std::optional<std::string> {
    const std::optional<std::string> value = environment(variable);
    return value && !value->empty() && !is_given(flag) ? value : std::nullopt;
  };
  if (const auto port = value_of("HTTP_PORT", "--listen")) options.listen = listen_address(*port);
  if (const auto cpus = value_of("MAX_CPUS", "--script-cpus")) {
    set_script_option(options, "cpus", *cpus);
  }
  if (const auto memory = value_of("MAX_MEMORY", "--script-memory")) {
    set_script_option(options, "memory", *memory);
  }
  if (const auto size = value_of("CODE_MAX_SIZE", "--code-max-size")) {
    set_script_option(options, "code_max_size", *size);
  }
  if (const auto time = value_of("TIMEOUT_SCRIPT", "--script-timeout")) {
    set_script_option(options, "timeout", *time);
  }
  if (const auto host = value_of("REDIS_HOST", "--store")) {
    options.store = redis_url(environment, *host);
  }
}
