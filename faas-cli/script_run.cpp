#include "faas-cli/script_run.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iostream>
#include <iterator>

#include "faas-cli/answer_json.h"
#include "faas-cli/event_reader.h"
#include "faas-cli/interrupt.h"
#include "faas-cli/terminal.h"
#include "oci/sys/file.h"

namespace cli {
namespace {

// More than any daemon takes; a file that never ends is no script.
constexpr std::size_t kFileBytesMax = 16U << 20;

std::string read_some(std::istream& from, const std::string& name) {
  std::string text(kFileBytesMax + 1, '\0');
  from.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (from.bad()) throw_usage(name + " cannot be read");
  text.resize(static_cast<std::size_t>(from.gcount()));
  if (text.size() > kFileBytesMax) throw_usage(name + " is larger than 16 MiB");
  return text;
}

Json input_of(const std::string& text) {
  const std::string json = text.starts_with('@') ? read_code(text.substr(1)) : text;
  Json input = Json::parse(json, nullptr, false);
  if (input.is_discarded()) throw_usage("the input is no JSON: --input '{\"name\": \"you\"}'");
  return input;
}

// As it is, but for a terminal, which nothing may steer that a script has written.
void write_text(int fd, std::string_view text) {
  std::string shown;
  while (is_terminal(fd) && !text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    shown += printable(line) + (text.empty() ? "" : "\n");
  }
  sys::write_all(fd, shown + std::string(text) + "\n", "output");
}

void print_value(const Json& value) {
  write_text(STDOUT_FILENO, value.is_string() ? value.get<std::string>() : value.dump());
}

// Empty if it is not there, or no string: a script may say what it likes about its error.
std::string string_in(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// What went wrong, in the script or before it.
ExitCode report_failure(const Json& failure, const char* message) {
  const std::string traceback = string_in(failure, "traceback");
  if (!traceback.empty()) {
    write_text(STDERR_FILENO, traceback);
  } else {
    print_error(string_in(failure, message) + place_in(failure));
  }
  return ExitCode::refused;
}

// What one that failed had printed; stdout is for results.
void show_output(const Json& failure) {
  std::string output = string_in(failure, "output");
  if (output.empty()) return;
  const std::string cut = string_in(failure, "output_cut");
  if (!cut.empty()) print_error(cut);
  if (output.ends_with('\n')) output.pop_back();
  write_text(STDERR_FILENO, output);
}

ExitCode show_answer(const Answer& answer, const DaemonClient& client, bool json) {
  const Json said = Json::parse(answer.body, nullptr, false);
  if (said.is_object() && !answer.ok()) {
    if (json) print(to_text(said));
    if (!json) show_output(said);
    if (said.contains("traceback")) return report_failure(said, "error");
  }
  const Json result = require_object(answer, client.endpoint());
  if (json) {
    print(to_text(result));
  } else if (result.contains("data")) {
    print_value(result.at("data"));
  }
  return ExitCode::done;
}

void write_line(const Json& event) {
  const bool to_stderr = event.value("stream", "") == "stderr";
  write_text(to_stderr ? STDERR_FILENO : STDOUT_FILENO, event.value("data", ""));
}

// Empty for an event that is not the last.
std::optional<ExitCode> show_event(const Json& event, bool json) {
  const std::string kind = event.value("event", "");
  if (json) print(event.dump() + "\n");
  if (kind == "log" && !json) write_line(event);
  if (kind == "result" && !json && event.value("type", "") != "text") print_value(event.at("data"));
  if (kind == "error" && !json) report_failure(event, "data");
  if (kind == "result") return ExitCode::done;
  if (kind == "error") return ExitCode::refused;
  return std::nullopt;
}

}  // namespace

void add_run_options(CLI::App& verb, RunOptions& options) {
  verb.add_option("--input", options.input, "what the script gets: JSON, or @FILE with it");
  verb.add_flag("--stream", options.stream, "show what it writes as it comes");
  verb.add_flag("--json", options.json, "print JSON, with --stream one line for each event");
}

std::string script_target(const std::string& prefix, std::string_view path) {
  if (path.empty()) throw_usage("a script's path is not empty");
  std::string target = prefix;
  while (true) {
    const std::string_view segment = path.substr(0, path.find('/'));
    target += percent_encode(segment);
    if (segment.size() == path.size()) return target;
    target += '/';
    path.remove_prefix(segment.size() + 1);
  }
}

std::string read_code(const std::string& file) {
  if (file == "-") return read_some(std::cin, "stdin");
  std::ifstream from(file, std::ios::binary);
  if (!from) throw_usage(file + " cannot be opened");
  return read_some(from, file);
}

std::string language_of(const std::string& file) {
  constexpr std::array<std::pair<const char*, const char*>, 6> kEndings = {
      {{".py", "python"},
       {".js", "javascript"},
       {".mjs", "javascript"},
       {".cjs", "javascript"},
       {".ts", "typescript"},
       {".mts", "typescript"}}};
  for (const auto& [ending, language] : kEndings) {
    if (file.ends_with(ending)) return language;
  }
  throw_usage("the name " + file + " does not say its language: give it with -l");
}

ExitCode show_run(const DaemonClient& client, const std::string& target, Json request,
                  const RunOptions& options) {
  if (options.input) request["input"] = input_of(*options.input);
  request["stream"] = options.stream;
  exit_on_interrupt();  // the daemon sees that its client has gone, and stops the script
  const std::string json = request.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (!options.stream) return show_answer(client.post(target, json), client, options.json);
  std::optional<ExitCode> end;
  EventReader events([&](const std::string&, const std::string& data) {
    const Json event = Json::parse(data, nullptr, false);
    if (event.is_object()) end = show_event(event, options.json);
  });
  const Answer answer =
      client.follow(target, json, [&events](std::string_view bytes) { events.take(bytes); });
  require_ok(answer);
  if (!end) throw Failure(ExitCode::no_daemon, "the daemon went away before the script had ended");
  return *end;
}

}  // namespace cli
