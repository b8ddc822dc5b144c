#include "faasd/function/function.h"

#include <nlohmann/json.hpp>

#include "oci/sys/error.h"

namespace function {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxName = 64;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

[[noreturn]] void corrupt(const std::string& what) {
  throw sys::Refused(sys::Refusal::invalid, "corrupt_function", what);
}

template <typename T>
T field(const json& object, const char* key) {
  try {
    return object.at(key).get<T>();
  } catch (const json::exception&) {
    corrupt(std::string("the field '") + key + "' is missing or of the wrong type");
  }
}

std::chrono::milliseconds milliseconds_field(const json& object, const char* key) {
  return std::chrono::milliseconds(field<std::int64_t>(object, key));
}

Limits limits_from_json(const json& object) {
  Limits limits;
  limits.memory_bytes = field<std::uint64_t>(object, "memory_bytes");
  limits.cpus = field<double>(object, "cpus");
  limits.pids = field<std::uint32_t>(object, "pids");
  limits.timeout = milliseconds_field(object, "timeout_ms");
  limits.concurrency = field<std::uint32_t>(object, "concurrency");
  limits.queue = field<std::uint32_t>(object, "queue");
  limits.queue_timeout = milliseconds_field(object, "queue_timeout_ms");
  limits.tmpfs_bytes = field<std::uint64_t>(object, "tmpfs_bytes");
  return limits;
}

}  // namespace

void check_name(std::string_view name) {
  bool good = !name.empty() && name.size() <= kMaxName && is_alphanumeric(name.front()) &&
              is_alphanumeric(name.back());
  for (const char c : name) good &= is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
  if (good) return;
  throw sys::Refused(sys::Refusal::invalid, "bad_name",
                     "a function's name is 1 to 64 of a-z, 0-9, '.', '_' and '-', with a letter or "
                     "digit first and last");
}

std::string_view to_word(Protocol protocol) {
  return protocol == Protocol::http ? "http" : "tcp";
}

Protocol protocol_from(std::string_view word) {
  if (word == "http") return Protocol::http;
  if (word == "tcp") return Protocol::tcp;
  throw sys::Refused(sys::Refusal::invalid, "bad_option",
                     "the protocol is http or tcp, not '" + std::string(word) + "'");
}

json to_json(const Limits& limits) {
  return {{"memory_bytes", limits.memory_bytes},
          {"cpus", limits.cpus},
          {"pids", limits.pids},
          {"timeout_ms", limits.timeout.count()},
          {"concurrency", limits.concurrency},
          {"queue", limits.queue},
          {"queue_timeout_ms", limits.queue_timeout.count()},
          {"tmpfs_bytes", limits.tmpfs_bytes}};
}

json to_json(const Function& function) {
  return {{"name", function.name},
          {"version", function.version},
          {"image", function.image},
          {"ip", function.address.to_string()},
          {"port", function.port},
          {"cmd", function.command},
          {"env", function.env},
          {"limits", to_json(function.limits)},
          {"protocol", to_word(function.protocol)},
          {"launcher", function.launcher},
          {"mode", function.mode},
          {"warm", function.warm},
          {"created_at", function.created_at}};
}

Function function_from_json(const json& object) {
  if (!object.is_object()) corrupt("it is no JSON object");
  Function function;
  function.name = field<std::string>(object, "name");
  check_name(function.name);
  function.version = field<std::uint64_t>(object, "version");
  function.image = field<std::string>(object, "image");
  const std::optional<sys::Ipv4> address = sys::parse_ipv4(field<std::string>(object, "ip"));
  if (!address) corrupt("the field 'ip' is no IPv4 address");
  function.address = *address;
  function.port = field<std::uint16_t>(object, "port");
  function.command = field<std::vector<std::string>>(object, "cmd");
  function.env = field<std::vector<std::string>>(object, "env");
  function.limits = limits_from_json(field<json>(object, "limits"));
  function.protocol = protocol_from(field<std::string>(object, "protocol"));
  function.launcher = field<std::string>(object, "launcher");
  function.mode = field<std::string>(object, "mode");
  function.warm = field<std::uint32_t>(object, "warm");
  function.created_at = field<std::string>(object, "created_at");
  return function;
}

}  // namespace function
