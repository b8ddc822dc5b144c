// A run of a script, as the command line asks for it and shows it. faas run and faas call.
#pragma once

#include <optional>
#include <string>

#include "faas-cli/answer_json.h"
#include "faas-cli/verb/verb.h"

namespace cli {

struct RunOptions {
  std::optional<std::string> input;  // JSON, or @FILE
  bool stream = false;
  bool json = false;
};
void add_run_options(CLI::App& verb, RunOptions& options);

// The place of a script: its path behind `prefix`. Throws Failure(usage) if it is empty.
std::string script_target(const std::string& prefix, std::string_view path);

// A file's bytes, or those of stdin for "-". Throws Failure(usage).
std::string read_code(const std::string& file);
// What the end of a file's name says. Throws Failure(usage) if it says nothing.
std::string language_of(const std::string& file);

// Posts `request` with the options added to it, and shows what comes: the result on stdout (a
// string as it is, all else as JSON); with --stream what it writes, to where it wrote it, before.
// A script that failed is ExitCode::refused, with its traceback on stderr.
ExitCode show_run(const DaemonClient& client, const std::string& target, Json request,
                  const RunOptions& options);

}  // namespace cli
