#include "faasd/function/function.h"

#include <nlohmann/json.hpp>

#include "faasd/function/bounds.h"
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

// One that files of an earlier faasd do not have.
template <typename T>
T field_or(const json& object, const char* key, T otherwise) {
  return object.contains(key) ? field<T>(object, key) : otherwise;
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
  limits.open_files = field_or(object, "open_files", limits.open_files);
  limits.file_size_bytes = field_or(object, "file_size_bytes", limits.file_size_bytes);
  limits.output_bytes = field_or(object, "output_bytes", limits.output_bytes);
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
          {"tmpfs_bytes", limits.tmpfs_bytes},
          {"open_files", limits.open_files},
          {"file_size_bytes", limits.file_size_bytes},
          {"output_bytes", limits.output_bytes}};
}

json to_json(const Warm& warm) {
  return warm.automatic ? json("auto") : json(warm.instances);
}

json to_json(const Version& version) {
  json object = {{"version", version.version},
                 {"image", version.image},
                 {"cmd", version.command},
                 {"env", version.env},
                 {"limits", to_json(version.limits)},
                 {"protocol", to_word(version.protocol)},
                 {"launcher", version.launcher},
                 {"mode", version.mode},
                 {"warm", to_json(version.warm)},
                 {"created_at", version.created_at}};
  if (version.language) object["language"] = to_json(*version.language);
  if (version.rollback_of != 0) object["rollback_of"] = version.rollback_of;
  return object;
}

json to_json(const Function& function) {
  json object = to_json(static_cast<const Version&>(function));
  object["name"] = function.name;
  object["ip"] = function.address.to_string();
  object["port"] = function.port;
  return object;
}

Version version_from_json(const json& object) {
  if (!object.is_object()) corrupt("it is no JSON object");
  Version version;
  version.version = field<std::uint64_t>(object, "version");
  if (version.version == 0 || version.version > bounds::kMaxVersion) {
    corrupt("the field 'version' is no number of a version");
  }
  version.image = field<std::string>(object, "image");
  version.command = field<std::vector<std::string>>(object, "cmd");
  version.env = field<std::vector<std::string>>(object, "env");
  version.limits = limits_from_json(field<json>(object, "limits"));
  version.protocol = protocol_from(field<std::string>(object, "protocol"));
  version.launcher = field<std::string>(object, "launcher");
  version.mode = field<std::string>(object, "mode");
  version.warm.automatic = object.contains("warm") && object.at("warm") == "auto";
  if (!version.warm.automatic) version.warm.instances = field<std::uint32_t>(object, "warm");
  version.created_at = field<std::string>(object, "created_at");
  if (object.contains("language")) version.language = language_from_json(object.at("language"));
  if (object.contains("rollback_of")) {
    version.rollback_of = field<std::uint64_t>(object, "rollback_of");
    if (version.rollback_of >= version.version) {
      corrupt("the field 'rollback_of' is no earlier version");
    }
  }
  return version;
}

Function function_from_json(const json& object) {
  Function function;
  static_cast<Version&>(function) = version_from_json(object);
  function.name = field<std::string>(object, "name");
  check_name(function.name);
  const std::optional<sys::Ipv4> address = sys::parse_ipv4(field<std::string>(object, "ip"));
  if (!address) corrupt("the field 'ip' is no IPv4 address");
  function.address = *address;
  function.port = field<std::uint16_t>(object, "port");
  return function;
}

}  // namespace function
