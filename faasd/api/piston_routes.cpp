#include "faasd/api/piston_routes.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "faasd/api/json_body.h"
#include "faasd/api/run_json.h"
#include "faasd/function/bounds.h"
#include "faasd/script/bounds.h"
#include "faasd/script/program.h"
#include "faasd/script/scripts.h"
#include "oci/sys/error.h"

namespace api {
namespace {

using httplib::ContentReader;
using nlohmann::json;
using nlohmann::ordered_json;
using script::JsonMembers;
using std::chrono::milliseconds;
using Asked = httplib::Request;
using Answer = httplib::Response;
namespace bounds = script::bounds;

[[noreturn]] void bad(const std::string& message) {
  throw HttpError(400, "bad_request", message);
}

// Whether it says something; to Piston null is what is not given.
bool given(const JsonMembers& object, const char* key) {
  return object.has(key) && object.raw(key) != "null";
}

std::string string_in(const JsonMembers& object, const char* key) {
  std::optional<std::string> text = object.text(key);
  if (text && !text->empty()) return std::move(*text);
  bad(std::string(key) + " is required as a string");
}

// A list of at most bounds::kMaxProgramParts.
std::vector<std::string_view> list_in(const JsonMembers& object, const char* key,
                                      const std::string& otherwise) {
  if (!object.raw(key).starts_with('[')) bad(otherwise);
  const auto list = object.elements(key, bounds::kMaxProgramParts);
  if (list) return *list;
  bad(std::string(key) + " has more than " + std::to_string(bounds::kMaxProgramParts) +
      " elements");
}

script::Program::File file_in(std::string_view written, const std::string& place) {
  const std::optional<JsonMembers> members = JsonMembers::of_json(written);
  if (!members || !members->raw("content").starts_with('"')) {
    bad(place + ".content is required as a string");
  }
  script::Program::File file;
  file.content = members->raw("content");
  for (const auto& [key, value] : {std::pair{"name", &file.name}, {"encoding", &file.encoding}}) {
    if (!given(*members, key)) continue;
    std::optional<std::string> text = members->text(key);
    if (!text) bad(place + "." + key + " must be a string");
    *value = std::move(*text);
  }
  if (file.encoding != "utf8" && file.encoding != "base64" && file.encoding != "hex") {
    bad(place + ".encoding must be utf8, base64 or hex");
  }
  return file;
}

std::vector<script::Program::File> files_in(const JsonMembers& request) {
  const char* otherwise = "files is required as an array";
  std::vector<script::Program::File> files;
  for (const std::string_view each : list_in(request, "files", otherwise)) {
    files.push_back(file_in(each, "files[" + std::to_string(files.size()) + "]"));
  }
  if (files.empty()) bad(otherwise);
  return files;
}

std::vector<std::string> args_in(const JsonMembers& request) {
  std::vector<std::string> args;
  if (!given(request, "args")) return args;
  for (const std::string_view each : list_in(request, "args", "args must be an array")) {
    if (each.starts_with('"')) args.push_back(script::from_json_string(each));
    if (!each.starts_with('"') || args.back().find('\0') != std::string::npos) {
      bad("args must be an array of strings");
    }
  }
  return args;
}

// A number that must not be over the limit that the language has; empty if it is not given.
std::optional<double> bounded(const JsonMembers& request, const char* key, double limit) {
  if (!given(request, key)) return std::nullopt;
  const std::optional<double> number = request.number(key);
  if (!number) bad(std::string(key) + " must be specified as a number");
  if (*number > limit) {
    bad(std::string(key) + " cannot exceed the configured limit of " +
        std::to_string(static_cast<std::uint64_t>(limit)));
  }
  if (*number < 0) bad(std::string(key) + " must be non-negative");
  return number;
}

milliseconds time_in(const JsonMembers& request, const char* key, milliseconds otherwise,
                     milliseconds limit) {
  const std::optional<double> given = bounded(request, key, static_cast<double>(limit.count()));
  // To Piston 0 is what is not given.
  if (!given || *given < 1) return std::min(otherwise, limit);
  return milliseconds(static_cast<std::int64_t>(*given));
}

// One container has both stages: the larger of the two counts. -1 is no limit of its own.
std::optional<std::uint64_t> memory_in(const JsonMembers& request, const function::Limits& limits) {
  double most = 0;
  for (const char* key : {"compile_memory_limit", "run_memory_limit"}) {
    if (request.number(key) == -1) continue;
    most =
        std::max(most, bounded(request, key, static_cast<double>(limits.memory_bytes)).value_or(0));
  }
  if (most == 0) return std::nullopt;
  const auto bytes = static_cast<std::uint64_t>(most);
  if (bytes < function::bounds::kMinMemoryBytes) {
    bad("a memory limit must be at least " + std::to_string(function::bounds::kMinMemoryBytes) +
        ", which it takes to start a container");
  }
  return bytes;
}

// Its views are of the request.
script::Program program_in(const JsonMembers& request, std::vector<script::Program::File> files,
                           const function::Limits& limits) {
  script::Program program;
  program.files = std::move(files);
  program.args = args_in(request);
  if (given(request, "stdin")) {
    program.input = request.raw("stdin");
    if (!program.input.starts_with('"')) bad("stdin must be a string");
  }
  program.compile_timeout =
      time_in(request, "compile_timeout", program.compile_timeout, limits.timeout);
  program.run_timeout = time_in(request, "run_timeout", program.run_timeout, limits.timeout);
  for (const char* key : {"compile_cpu_time", "run_cpu_time"}) {
    bounded(request, key, static_cast<double>(limits.timeout.count()));
  }
  program.memory_bytes = memory_in(request, limits);
  return program;
}

void set_message(Answer& response, int status, const std::string& message) {
  set_json(response, status, {{"message", message}});
}

}  // namespace

void PistonRoutes::add_to(Router& router) {
  for (const std::string prefix : {"/api/v2", "/api/v2/piston"}) {
    router.on_get(prefix + "/runtimes",
                  [this](const Asked&, Answer& response) { runtimes(response); });
    router.on_post(prefix + "/execute",
                   [this](const Asked& asked, Answer& response, const ContentReader& in) {
                     try {
                       execute(asked, response, in);
                     } catch (const HttpError& error) {
                       set_message(response, error.status(), error.what());
                     } catch (const sys::Refused& refused) {
                       const bool busy = refused.reason() == sys::Refusal::unavailable;
                       set_message(response, busy ? 503 : 400, refused.what());
                       if (busy) response.set_header("Retry-After", "1");
                     }
                   });
  }
}

void PistonRoutes::runtimes(Answer& response) {
  json list = json::array();
  for (const function::Function& function : runner_.languages()) {
    const function::Language& language = *function.language;
    if (language.run.empty()) continue;
    list.push_back({{"language", language.name},
                    {"version", language.version},
                    {"aliases", language.aliases}});
  }
  set_json(response, 200, list);
}

// The body is gone when it returns, and only then may somebody wait.
PistonRoutes::Started PistonRoutes::start(const Asked& asked, const ContentReader& in) {
  if (!asked.get_header_value("Content-Type").starts_with("application/json")) {
    throw HttpError(415, "unsupported_media_type", "requests must be of type application/json");
  }
  const JsonBody body(asked, in, {.bytes = bounds::kMaxProgramBytes}, runner_.room_for_request());
  const JsonMembers& request = body.members();
  const std::string name = string_in(request, "language");
  const std::string version = string_in(request, "version");
  std::vector<script::Program::File> files = files_in(request);
  std::optional<function::Function> language = runner_.look_for(name, version);
  if (!language || language->language->run.empty())
    bad(name + "-" + version + " runtime is unknown");
  const script::Program program = program_in(request, std::move(files), language->limits);
  std::shared_ptr<script::Audience> audience = script::start_program(runner_, *language, program);
  return {std::move(*language->language), std::move(audience)};
}

void PistonRoutes::execute(const Asked& asked, Answer& response, const ContentReader& in) {
  const Started started = start(asked, in);
  const std::shared_ptr<const script::End> end =
      script::wait_for(*started.audience, [&asked] { return has_left(asked); });
  if (!end) throw HttpError(499, "client_left", "the client left");
  script::ProgramEnd program = script::end_of_program(started.audience->run(), *end);
  if (program.refusal_status != 0) {
    if (!program.retry_after.empty()) response.set_header("Retry-After", program.retry_after);
    return set_message(response, program.refusal_status, program.refusal);
  }
  ordered_json answer = {{"language", started.language.name},
                         {"version", started.language.version}};
  answer.update(program.stages);
  response.set_content(answer.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n",
                       "application/json");
  hold_until_sent(response, started.audience);
}

}  // namespace api
