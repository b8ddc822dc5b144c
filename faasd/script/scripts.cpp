#include "faasd/script/scripts.h"

#include "faasd/script/json_members.h"
#include "oci/sys/error.h"

namespace script {
namespace {

using function::Language;
using sys::Refusal;
using sys::Refused;

// HTTP clients resolve it, and it is never let through.
bool has_dot_alone(std::string_view path) {
  const std::string framed = "/" + std::string(path) + "/";
  return framed.find("/./") != std::string::npos;
}

}  // namespace

std::string check_path(std::string_view path) {
  if (path.empty() || path.size() > bounds::kMaxPathBytes ||
      path.find("..") != std::string_view::npos || path.find('\0') != std::string_view::npos ||
      has_dot_alone(path)) {
    throw Refused(Refusal::invalid, "bad_path",
                  "the path of a script is 1 to " + std::to_string(bounds::kMaxPathBytes) +
                      " bytes without '..', and without a '.' that is alone between slashes, "
                      "which no URL of it may have");
  }
  return std::string(path);
}

std::shared_ptr<const End> wait_for(Audience& audience, const HasLeft& has_left) {
  while (true) {
    if (std::shared_ptr<const End> end = audience.run().wait_for_end(bounds::kLook)) return end;
    if (!has_left()) continue;
    audience.stop(instance::Outcome::timeout, "its client left, and it was ended");
    return nullptr;
  }
}

void Scripts::check_code(const std::string& code) const {
  if (code.empty()) throw Refused(Refusal::invalid, "empty_code", "the code is empty");
  if (code.size() <= code_bytes_) return;
  throw Refused(Refusal::too_large, "code_too_large",
                "the code has " + std::to_string(code.size()) + " bytes; it may have " +
                    std::to_string(code_bytes_) + " (--code-max-size)");
}

function::Function Scripts::find_language(const std::string& word) const {
  function::Function found = runner_.find(word);
  if (found.language->scripts != Language::Scripts::none) return found;
  throw Refused(Refusal::invalid, "no_scripts",
                "'" + word + "' runs programs, not scripts: POST /api/v2/execute");
}

function::Function Scripts::language_of(const Script& script) const {
  try {
    return find_language(script.language);
  } catch (const Refused& refused) {
    throw Refused(Refusal::failed, "language_gone",
                  std::string("the script is stored as one of a language that it cannot be run "
                              "in: ") +
                      refused.what());
  }
}

std::string Scripts::compile(const function::Function& language, const std::string& code,
                             const HasLeft& has_left) {
  const std::unique_ptr<Audience> compiler =
      runner_.start(language.name, post("/compile", R"({"code":)" + to_json_string(code) + "}"),
                    {.output_bytes = bounds::kMaxOutputBytes});
  const std::shared_ptr<const End> end = wait_for(*compiler, has_left);
  if (!end) throw Refused(Refusal::failed, "client_left", "the client left");
  Verdict verdict = plain_verdict_of(*end);
  if (verdict.is_result()) {
    std::optional<std::string> compiled = JsonMembers::of(verdict.json)->text("compiled");
    if (compiled && !compiled->empty()) return std::move(*compiled);
    throw Refused(Refusal::failed, "bad_compiler",
                  "the compiler of '" + language.language->name + "' has answered nonsense");
  }
  const std::optional<JsonMembers> said = JsonMembers::of(verdict.json);
  if (said && said->text("code") == "compile_failed") verdict.status = 400;  // it is the code
  throw CompileError(std::move(verdict));
}

Scripts::Uploaded Scripts::upload(const std::string& path, const std::string& word,
                                  const std::string& code, const HasLeft& has_left) {
  Upload upload;
  upload.path = check_path(path);
  const function::Function language = find_language(word);
  upload.language = language.language->name;
  check_code(code);
  upload.code = code;
  check_bounds(upload);
  if (language.language->scripts == Language::Scripts::compiled) {
    upload.compiled = compile(language, code, has_left);
  }
  return {upload.path, upload.language, store_->add(upload)};
}

std::unique_ptr<Audience> Scripts::run(const std::string& path,
                                       std::optional<std::uint64_t> version, std::string_view input,
                                       const HasLeft& has_left) {
  std::optional<Script> script = store_->find(check_path(path), version);
  if (!script) return nullptr;
  const function::Function language = language_of(*script);
  // Of data that somebody else has stored.
  if (script->compiled.empty() && language.language->scripts == Language::Scripts::compiled) {
    script->compiled = compile(language, script->code, has_left);
    store_->keep_compiled(*script);
  }
  return start(language, script->code, script->compiled, input);
}

std::unique_ptr<Audience> Scripts::run_now(const std::string& word, const std::string& code,
                                           std::string_view input) {
  const function::Function language = find_language(word);
  check_code(code);
  return start(language, code, "", input);
}

std::unique_ptr<Audience> Scripts::start(const function::Function& language,
                                         const std::string& code, const std::string& compiled,
                                         std::string_view input) {
  if (input.size() > bounds::kMaxInputBytes) {
    throw Refused(Refusal::too_large, "input_too_large",
                  "the input has " + std::to_string(input.size()) + " bytes; it may have " +
                      std::to_string(bounds::kMaxInputBytes));
  }
  std::string json = R"({"code":)" + to_json_string(code);
  if (!compiled.empty()) json += R"(,"compiled":)" + to_json_string(compiled);
  json += R"(,"input":)" + std::string(input.empty() ? "{}" : input) + "}";
  return runner_.start(language.name, post("/", json), {.output_bytes = bounds::kMaxOutputBytes});
}

}  // namespace script
