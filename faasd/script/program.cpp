#include "faasd/script/program.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "faasd/script/bounds.h"
#include "faasd/script/json_members.h"
#include "faasd/script/verdict.h"
#include "oci/runtime/container.h"
#include "oci/runtime/container_places.h"
#include "oci/sys/error.h"

namespace script {
namespace {

using instance::Outcome;
using instance::Stream;
using nlohmann::ordered_json;

constexpr std::size_t kMaxLines = 16;  // of what faas-execute says

std::string ending_of(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? "" : name.substr(dot);
}

// A command of a language, with the files in it: "{file}" is the first of them, "{files}" all that
// end as it does, for a compiler wants its sources and not what they include.
std::vector<std::string> filled_in(const std::vector<std::string>& command,
                                   const std::vector<std::string>& names) {
  // No name is an option.
  const auto argument = [](const std::string& name) {
    return name.starts_with('-') ? "./" + name : name;
  };
  std::vector<std::string> words;
  for (const std::string& word : command) {
    if (word == "{files}") {
      for (const std::string& name : names) {
        if (ending_of(name) == ending_of(names.front())) words.push_back(argument(name));
      }
    } else {
      words.push_back(word == "{file}" ? argument(names.front()) : word);
    }
  }
  return words;
}

// Of what may be large, and of little else.
std::size_t size_of(const Program& program) {
  std::size_t size = 4'096 + program.input.size();
  for (const Program::File& file : program.files) size += file.content.size() + 64;
  return size;
}

// handlers/execute/README.md, "The request".
std::string request_of(const function::Language& language, const Program& program) {
  std::string request = R"({"files":[)";
  request.reserve(size_of(program));
  std::vector<std::string> names;
  for (const Program::File& file : program.files) {
    std::string name = file.name;
    if (name.empty()) {
      name = names.empty() ? language.file : "file" + std::to_string(names.size()) + ".code";
    }
    request.append(names.empty() ? "" : ",").append(R"({"name":)").append(to_json_string(name));
    request.append(R"(,"content":)").append(file.content);
    request.append(R"(,"encoding":)").append(to_json_string(file.encoding)).append("}");
    names.push_back(std::move(name));
  }
  std::vector<std::string> run = filled_in(language.run, names);
  run.insert(run.end(), program.args.begin(), program.args.end());
  request.append(R"(],"stdin":)").append(program.input).append(",");
  ordered_json terms = {{"run", run},
                        {"run_timeout_ms", program.run_timeout.count()},
                        {"output_bytes", bounds::kMaxOutputBytes}};
  if (!language.compile.empty()) {
    terms["compile"] = filled_in(language.compile, names);
    terms["compile_timeout_ms"] = program.compile_timeout.count();
  }
  const std::string rest = terms.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  return request.append(rest, 1);
}

Terms terms_of(const function::Language& language, const Program& program) {
  Terms terms;
  terms.output_bytes = bounds::kMaxOutputBytes;
  terms.ends_when_full = true;
  auto time = program.run_timeout + bounds::kProgramMargin;
  if (!language.compile.empty()) time += program.compile_timeout;
  terms.adapt = [time, memory_bytes = program.memory_bytes](instance::Blueprint& blueprint) {
    blueprint.container.args = {std::string(runtime::kExecutor)};
    const function::Limits& limits = blueprint.function.limits;
    blueprint.timeout = std::min(limits.timeout, time);
    runtime::Resources& resources = blueprint.container.resources;
    resources.memory_bytes = memory_bytes.value_or(limits.memory_bytes);
    resources.cpus = limits.cpus;
  };
  return terms;
}

// A stage, as far as it is known what it says; null if it is none. The program may have written
// there instead of faas-execute, so nothing is made of the rest.
ordered_json stage_in(std::string_view json) {
  const std::optional<JsonMembers> members = JsonMembers::of_json(json);
  if (!members) return nullptr;
  ordered_json stage = ordered_json::object();
  const auto given = [&](const char* key) {
    return members->has(key) && members->raw(key) != "null";
  };
  for (const char* key : {"stdout", "stderr", "output", "signal", "status", "message"}) {
    if (!given(key)) continue;
    std::optional<std::string> text = members->text(key);
    if (!text) return nullptr;
    stage[key] = std::move(*text);
  }
  for (const char* key : {"code", "cpu_time_ms", "wall_time_ms", "memory_bytes"}) {
    if (!given(key)) continue;
    if (!members->number(key)) return nullptr;
    stage[key] = ordered_json::parse(members->raw(key));
  }
  return stage;
}

// Text of a stage, as far as it has any.
std::string text_in(const ordered_json& stage, const char* key) {
  const auto found = stage.find(key);
  return found != stage.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// The lines of what faas-execute says, as far as they came; nothing if it is no reply of it.
ordered_json stages_in(std::string_view reply) {
  ordered_json stages = ordered_json::object();
  const std::size_t head_end = reply.find("\r\n\r\n");
  if (!reply.starts_with("HTTP/1.1 200 ") || head_end == reply.npos) return stages;
  std::string_view lines = reply.substr(head_end + 4);
  // It says two; each costs time.
  for (std::size_t left = kMaxLines; left > 0; --left) {
    const std::size_t end = lines.find('\n');
    if (end == lines.npos) break;
    const std::optional<JsonMembers> members = JsonMembers::of(lines.substr(0, end));
    for (const char* stage : {"compile", "run"}) {
      if (!members || !members->has(stage)) continue;
      ordered_json said = stage_in(members->raw(stage));
      if (!said.is_null()) stages[stage] = std::move(said);
    }
    lines.remove_prefix(end + 1);
  }
  return stages;
}

ordered_json stage(const char* status, ordered_json signal, const std::string& message) {
  return {
      {"code", nullptr}, {"signal", std::move(signal)}, {"status", status}, {"message", message}};
}

// Of a run that was ended before faas-execute could say how.
ordered_json cut_short(const Run& run, const End& end) {
  const instance::Receipt& receipt = end.receipt;
  if (end.dropped_bytes > 0) {
    const bool out = run.text_of(Stream::out).size() > run.text_of(Stream::err).size();
    return stage(out ? "OL" : "EL", "SIGKILL",
                 out ? "stdout length exceeded" : "stderr length exceeded");
  }
  if (receipt.usage.oom_kills > 0) return stage("SG", "SIGKILL", "Out of memory");
  if (receipt.outcome == Outcome::timeout) {
    return stage("TO", "SIGKILL", "Time limit exceeded (wall clock)");
  }
  const bool cut = end.reply_cut != Cut::none;
  return stage("XX", nullptr, cut ? cut_text(end.reply_cut) : "it ended, and did not say how");
}

// As Piston orders and calls them.
ordered_json in_order(const ordered_json& stage, const std::string& out, const std::string& err,
                      const std::string& both, const instance::Receipt& receipt) {
  ordered_json said = {{"stdout", out}, {"stderr", err}, {"output", both}};
  for (const char* key : {"code", "signal", "message", "status"}) {
    said[key] = stage.value(key, ordered_json());
  }
  said["cpu_time"] = stage.value("cpu_time_ms", ordered_json());
  said["wall_time"] = stage.value("wall_time_ms", ordered_json());
  said["memory"] = stage.value("memory_bytes", ordered_json());
  const ordered_json cost = instance::to_json(receipt);
  if (said["cpu_time"].is_null()) said["cpu_time"] = cost["cpu_ms"];
  if (said["wall_time"].is_null()) said["wall_time"] = cost["run_ms"];
  if (said["memory"].is_null()) said["memory"] = cost["memory_peak_bytes"];
  return said;
}

}  // namespace

std::unique_ptr<Audience> start_program(Runner& runner, const function::Function& language,
                                        const Program& program) {
  if (language.language->run.empty()) {
    throw sys::Refused(sys::Refusal::invalid, "no_programs",
                       "'" + language.language->name + "' runs scripts, not programs");
  }
  return runner.start(language.name, post("/", request_of(*language.language, program)),
                      terms_of(*language.language, program));
}

ProgramEnd end_of_program(const Run& run, const End& end) {
  ProgramEnd program;
  const std::optional<Reply> reply = parse_reply(end.reply);
  if (!end.receipt.served || (reply && reply->status >= 400)) {
    const std::optional<JsonMembers> said = reply ? JsonMembers::of(reply->body) : std::nullopt;
    program.refusal_status = reply ? reply->status : 502;
    program.refusal = "the program could not be started";
    if (said) program.refusal = said->text("error").value_or(program.refusal);
    if (reply) program.retry_after = reply->retry_after;
    return program;
  }
  if (end.reply_cut == Cut::no_memory || end.output_cut == Cut::no_memory) {
    program.refusal_status = 503;
    program.refusal = cut_text(Cut::no_memory);
    program.retry_after = std::to_string(bounds::kMemoryRetry.count());
    return program;
  }
  ordered_json stages = stages_in(end.reply);
  if (stages.contains("compile")) {
    const ordered_json& compile = stages["compile"];
    program.stages["compile"] =
        in_order(compile, text_in(compile, "stdout"), text_in(compile, "stderr"),
                 text_in(compile, "output"), end.receipt);
    if (compile.value("code", ordered_json()) != 0) return program;
  }
  if (!stages.contains("run")) stages["run"] = cut_short(run, end);
  ordered_json& last = stages["run"];
  // Of its processes the kernel may have killed one that is not the first.
  if (text_in(last, "signal") == "SIGKILL" && end.receipt.usage.oom_kills > 0) {
    last["message"] = "Out of memory";
  }
  program.stages["run"] =
      in_order(last, run.text_of(Stream::out), run.text_of(Stream::err), run.text(), end.receipt);
  return program;
}

}  // namespace script
