#include "oci/image/image_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "oci/image/digest.h"
#include "oci/image/quota.h"
#include "oci/image/refusal.h"

namespace image {
namespace {

using nlohmann::json;

// Go's names (GOARCH), as image configs use them.
#if defined(__x86_64__)
constexpr std::string_view kHostArchitecture = "amd64";
#elif defined(__aarch64__)
constexpr std::string_view kHostArchitecture = "arm64";
#elif defined(__arm__)
constexpr std::string_view kHostArchitecture = "arm";
#elif defined(__riscv)
constexpr std::string_view kHostArchitecture = "riscv64";
#elif defined(__powerpc64__)
constexpr std::string_view kHostArchitecture = "ppc64le";
#elif defined(__s390x__)
constexpr std::string_view kHostArchitecture = "s390x";
#else
constexpr std::string_view kHostArchitecture = "386";
#endif

[[noreturn]] void refuse_field(const std::string& field, const std::string& expected) {
  refuse("bad_config", "the image config's " + field + " must be " + expected);
}

// A NUL would cut the string short where the kernel reads it, after it was checked.
std::string checked(const json& value, const std::string& field) {
  if (!value.is_string()) refuse_field(field, "a string");
  const auto& text = value.get_ref<const std::string&>();
  if (text.find('\0') != std::string::npos) refuse_field(field, "free of NUL characters");
  return text;
}

// Go writes null for what is empty, so null is everywhere the same as absent.
const json& member(const json& object, const char* name) {
  static const json kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

std::string string_in(const json& object, const char* name) {
  const json& value = member(object, name);
  return value.is_null() ? std::string() : checked(value, name);
}

std::vector<std::string> strings_in(const json& object, const char* name) {
  const json& value = member(object, name);
  if (value.is_null()) return {};
  if (!value.is_array()) refuse_field(name, "a list of strings");
  std::vector<std::string> strings;
  for (const json& element : value) strings.push_back(checked(element, name));
  return strings;
}

std::map<std::string, std::string> labels_in(const json& object) {
  const json& value = member(object, "Labels");
  if (value.is_null()) return {};
  if (!value.is_object()) refuse_field("Labels", "an object of strings");
  std::map<std::string, std::string> labels;
  for (const auto& [key, label] : value.items()) labels[key] = checked(label, "Labels");
  return labels;
}

[[noreturn]] void refuse_size(const std::string& field, std::size_t bound, const std::string& of) {
  refuse("bad_config", "the image config's " + field + " is over its bound of " +
                           std::to_string(bound) + " " + of);
}

void check_env(const std::vector<std::string>& env) {
  if (env.size() > kEnvEntries) refuse_size("Env", kEnvEntries, "entries");
  std::size_t total = 0;
  for (const std::string& variable : env) {
    total += variable.size();
    if (variable.size() > kEnvBytes) refuse_size("Env", kEnvBytes, "bytes an entry");
    if (variable.starts_with("PATH=") && variable.size() > kPathVariableBytes) {
      refuse_size("PATH", kPathVariableBytes, "bytes");
    }
    const std::size_t equals = variable.find('=');
    if (equals == std::string::npos || equals == 0) {
      refuse("bad_config",
             "the image config's Env has '" + printable(variable) + "', which is not KEY=value");
    }
  }
  if (total > kEnvTotalBytes) refuse_size("Env", kEnvTotalBytes, "bytes");
}

// What exec(2) would refuse is refused here, and what would cost every request is not stored.
void check_bounds(const ImageConfig& config) {
  const std::vector<std::string> command = config.command();
  std::size_t total = 0;
  for (const std::string& word : command) total += word.size() + 1;
  if (total > kCommandBytes) refuse_size("Entrypoint and Cmd", kCommandBytes, "bytes");
  if (command.size() > kCommandWords) refuse_size("Entrypoint and Cmd", kCommandWords, "words");
  if (config.working_dir.size() > kPathBytes) refuse_size("WorkingDir", kPathBytes, "bytes");
  if (config.user.size() > kUserBytes) refuse_size("User", kUserBytes, "bytes");
  check_env(config.env);
}

}  // namespace

std::string host_architecture() {
  return std::string(kHostArchitecture);
}

json parse_document(std::string_view text, const std::string& code, const std::string& what) {
  try {
    // Too deep is known before the document is: nothing of it has been kept by then.
    return json::parse(text, [&](int depth, json::parse_event_t, const json&) {
      if (depth > kJsonDepth) {
        refuse(code, what + " is nested deeper than " + std::to_string(kJsonDepth) + " levels");
      }
      return true;
    });
  } catch (const json::exception& error) {
    refuse(code, what + " is no valid JSON: " + printable(error.what()));
  }
}

std::uint64_t number_in(const json& object, const char* name) {
  const json& value = object.at(name);
  if (!value.is_number_unsigned()) {
    throw json::type_error::create(302, std::string(name) + " must be a whole number", &value);
  }
  return value.get<std::uint64_t>();
}

ParsedConfig parse_config(const json& document) {
  if (!document.is_object()) refuse("bad_config", "the image config must be a JSON object");
  ParsedConfig parsed;
  ImageConfig& config = parsed.config;
  config.architecture = string_in(document, "architecture");
  config.os = string_in(document, "os");
  const json& process = member(document, "config");
  if (!process.is_null()) {
    if (!process.is_object()) refuse_field("config", "an object");
    config.entrypoint = strings_in(process, "Entrypoint");
    config.cmd = strings_in(process, "Cmd");
    config.env = strings_in(process, "Env");
    config.working_dir = string_in(process, "WorkingDir");
    config.user = string_in(process, "User");
    config.labels = labels_in(process);
    check_bounds(config);
  }
  const json& rootfs = member(document, "rootfs");
  if (!rootfs.is_object()) refuse_field("rootfs", "an object");
  if (string_in(rootfs, "type") != "layers") refuse_field("rootfs.type", "'layers'");
  for (const std::string& diff_id : strings_in(rootfs, "diff_ids")) {
    const std::string_view hex = hex_of_digest(diff_id);
    if (hex.empty()) {
      refuse("bad_config", "the image config's diff_id '" + printable(diff_id) +
                               "' is not sha256:<64 hex digits>");
    }
    parsed.diff_ids.emplace_back(hex);
  }
  return parsed;
}

}  // namespace image
