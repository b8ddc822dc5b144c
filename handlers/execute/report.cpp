#include "handlers/execute/report.h"

#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

namespace execute {
namespace {

// As they were put in, as people read them.
using Json = nlohmann::ordered_json;

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return "SIG" + (name ? std::string(name) : std::to_string(signal));
}

struct Verdict {
  Json code;
  Json signal;
  Json status;
  Json message;
};

Verdict verdict_of(const Outcome& outcome, std::string_view program) {
  const Json killed = "SIGKILL";
  switch (outcome.cut) {
    case Cut::timed_out:
      return {nullptr, killed, "TO", "Time limit exceeded (wall clock)"};
    case Cut::stdout_too_long:
      return {nullptr, killed, "OL", "stdout length exceeded"};
    case Cut::stderr_too_long:
      return {nullptr, killed, "EL", "stderr length exceeded"};
    case Cut::none:
      break;
  }
  if (WIFSIGNALED(outcome.wait_status)) {
    const int signal = WTERMSIG(outcome.wait_status);
    return {nullptr, signal_name(signal), "SG", "Caught fatal signal " + std::to_string(signal)};
  }
  const int code = WEXITSTATUS(outcome.wait_status);
  if (code == 0) return {code, nullptr, nullptr, nullptr};
  std::string message = start_error_text(outcome, program);
  if (message.empty()) message = "Exited with error status " + std::to_string(code);
  return {code, nullptr, "RE", message};
}

void add_verdict(Json& result, const Outcome& outcome, std::string_view program) {
  const Verdict verdict = verdict_of(outcome, program);
  result["code"] = verdict.code;
  result["signal"] = verdict.signal;
  result["status"] = verdict.status;
  result["message"] = verdict.message;
  result["cpu_time_ms"] =
      std::chrono::duration_cast<std::chrono::milliseconds>(outcome.usage.cpu).count();
  result["wall_time_ms"] = outcome.wall.count();
  result["memory_bytes"] = outcome.usage.memory_bytes;
}

// A reply of more than 4 MiB is lost as a whole: faasd takes no more, and waits for no more. A byte
// may be six in JSON, and what a compiler prints is there twice.
constexpr std::size_t kTextBytes = 3'900'000;

std::string to_json(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// As much of the front as fits as JSON, and how much did not.
std::string cut_to(const std::string& text, std::size_t json_bytes) {
  std::string kept = text;
  for (std::size_t size = to_json(kept).size(); size > json_bytes; size = to_json(kept).size()) {
    kept.resize(static_cast<std::uint64_t>(kept.size()) * json_bytes / size);
  }
  if (kept.size() == text.size()) return kept;
  return kept + "\n[" + std::to_string(text.size() - kept.size()) + " bytes more]\n";
}

std::string line(std::string_view stage, const Json& result) {
  Json object;
  object[std::string(stage)] = result;
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string compile_line(const Outcome& outcome, std::string_view program) {
  const std::string text = start_error_text(outcome, program);
  const std::string said = text.empty() ? "" : text + "\n";
  const bool fits = 2 * (to_json(outcome.out).size() + to_json(outcome.err).size()) <= kTextBytes;
  const std::size_t most = fits ? kTextBytes : kTextBytes / 4;
  Json result;
  result["stdout"] = cut_to(outcome.out, most);
  result["stderr"] = cut_to(outcome.err, most) + said;
  result["output"] = cut_to(outcome.output, kTextBytes / 2) + said;
  add_verdict(result, outcome, program);
  return line("compile", result);
}

std::string run_line(const Outcome& outcome, std::string_view program) {
  Json result;
  add_verdict(result, outcome, program);
  return line("run", result);
}

std::string failure_line(std::string_view stage, std::string_view reason) {
  Json result;
  if (stage == "compile") result = {{"stdout", ""}, {"stderr", ""}, {"output", ""}};
  result["code"] = nullptr;
  result["signal"] = nullptr;
  result["status"] = "XX";
  result["message"] = reason;
  for (const char* number : {"cpu_time_ms", "wall_time_ms", "memory_bytes"}) result[number] = 0;
  return line(stage, result);
}

std::string start_error_text(const Outcome& outcome, std::string_view program) {
  if (outcome.start_error == 0) return {};
  return std::string(program) + ": " + std::strerror(outcome.start_error);
}

bool succeeded(const Outcome& outcome) {
  return outcome.cut == Cut::none && WIFEXITED(outcome.wait_status) &&
         WEXITSTATUS(outcome.wait_status) == 0;
}

}  // namespace execute
