#include "handlers/execute/program.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>

#include "handlers/execute/decode.h"

namespace execute {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxNameBytes = 1024;      // a path of the kernel's has 4096
constexpr std::size_t kMaxComponentBytes = 255;  // NAME_MAX
constexpr std::size_t kDefaultOutputBytes = 1 << 20;

[[noreturn]] void refuse(const std::string& message) {
  throw BadRequest(400, "bad_program", message);
}

[[noreturn]] void refuse_file(const std::string& message) {
  throw BadRequest(400, "bad_file", message);
}

// Null counts as absent: clients write what they have.
const Json* find(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string text_of(const Json& object, const char* key) {
  const Json* value = find(object, key);
  if (!value) return {};
  if (!value->is_string()) refuse(std::string("\"") + key + "\" is no string");
  return value->get<std::string>();
}

// Absent and 0 are 0.
std::uint64_t number_of(const Json& object, const char* key) {
  const Json* value = find(object, key);
  if (!value) return 0;
  if (!value->is_number_unsigned()) refuse(std::string("\"") + key + "\" is no whole number");
  return value->get<std::uint64_t>();
}

Timeout timeout_of(const Json& object, const char* key) {
  constexpr std::uint64_t kMost = 1'000'000'000;  // eleven days; no clock overflows
  const std::uint64_t value = number_of(object, key);
  if (value == 0) return std::nullopt;
  return std::chrono::milliseconds(std::min(value, kMost));
}

Arguments arguments_of(const Json& object, const char* key) {
  const Json* value = find(object, key);
  if (!value) return {};
  Arguments arguments;
  if (!value->is_array()) refuse(std::string("\"") + key + "\" is no list of strings");
  for (const Json& each : *value) {
    if (!each.is_string()) refuse(std::string("\"") + key + "\" is no list of strings");
    arguments.push_back(each.get<std::string>());
    if (arguments.back().find('\0') != std::string::npos) {
      refuse(std::string("\"") + key + "\" has an argument with a NUL");
    }
  }
  if (!arguments.empty() && arguments.front().empty()) {
    refuse(std::string("\"") + key + "\" names no program");
  }
  return arguments;
}

// Without "." and with one slash between two components.
std::string checked_name(const std::string& name) {
  if (name.empty() || name.size() > kMaxNameBytes) refuse_file("a name is empty or too long");
  if (name.find('\0') != std::string::npos) refuse_file("a name has a NUL in it");
  if (name.front() == '/') refuse_file("'" + name + "' is absolute");
  std::string checked;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    const std::string component = name.substr(at, end - at);
    at = end + 1;
    if (component == ".." || component.size() > kMaxComponentBytes) {
      refuse_file("'" + name + "' leads elsewhere, or is too long");
    }
    if (component.empty() || (component == "." && at > name.size())) {
      refuse_file("'" + name + "' names a directory");
    }
    if (component != ".") checked += (checked.empty() ? "" : "/") + component;
  }
  return checked;
}

std::string content_of(const Json& object, const std::string& name) {
  const Json* content = find(object, "content");
  const Json* encoding = find(object, "encoding");
  if (!content || !content->is_string()) refuse_file("'" + name + "' has no \"content\"");
  if (encoding && !encoding->is_string()) refuse_file("'" + name + "': \"encoding\" is no string");
  const std::string& text = content->get_ref<const std::string&>();
  const std::string how = encoding ? encoding->get<std::string>() : "utf8";
  if (how == "utf8") return text;
  if (how != "base64" && how != "hex") refuse_file("'" + name + "': unknown encoding " + how);
  std::optional<std::string> bytes = how == "hex" ? decode_hex(text) : decode_base64(text);
  if (!bytes) refuse_file("'" + name + "' is no " + how);
  return *std::move(bytes);
}

// A name may come again: the last one counts.
void refuse_files_that_are_directories(const std::vector<File>& files) {
  std::set<std::string> directories;
  for (const File& file : files) {
    for (std::size_t at = file.name.find('/'); at != std::string::npos;
         at = file.name.find('/', at + 1)) {
      directories.insert(file.name.substr(0, at));
    }
  }
  for (const File& file : files) {
    if (directories.count(file.name) != 0) {
      refuse_file("'" + file.name + "' is a file and a directory");
    }
  }
}

std::vector<File> files_of(const Json& program) {
  const Json* list = find(program, "files");
  if (!list || !list->is_array()) refuse("\"files\" is no list");
  std::vector<File> files;
  for (const Json& each : *list) {
    const Json* name = each.is_object() ? find(each, "name") : nullptr;
    if (!name || !name->is_string()) refuse_file("a file has no \"name\"");
    File file{checked_name(name->get<std::string>()), {}};
    file.content = content_of(each, file.name);
    files.push_back(std::move(file));
  }
  refuse_files_that_are_directories(files);
  return files;
}

}  // namespace

Program parse_program(std::string_view json_text) {
  const Json given = Json::parse(json_text, nullptr, false);
  if (given.is_discarded()) throw BadRequest(400, "bad_json", "the body is no JSON");
  if (!given.is_object()) refuse("the body is no object");
  Program program;
  program.files = files_of(given);
  program.compile = arguments_of(given, "compile");
  program.run = arguments_of(given, "run");
  if (program.run.empty()) refuse("\"run\" names no program");
  program.stdin_text = text_of(given, "stdin");
  program.compile_timeout = timeout_of(given, "compile_timeout_ms");
  program.run_timeout = timeout_of(given, "run_timeout_ms");
  program.output_bytes = number_of(given, "output_bytes");
  if (program.output_bytes == 0) program.output_bytes = kDefaultOutputBytes;
  return program;
}

}  // namespace execute
