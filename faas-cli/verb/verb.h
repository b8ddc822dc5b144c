// What every verb is made of: a function that adds its words to the parser and says what to run if
// they were used. One file a verb; the verb runs after parsing, so that usage errors come first.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "faas-cli/daemon_client.h"
#include "faas-cli/endpoint.h"
#include "faas-cli/failure.h"

namespace cli {

// Shared by the parser and the verb that it has found. Lives as long as both.
struct Context {
  EndpointFlags endpoint_flags;
  std::function<ExitCode()> run;  // set by the verb that was named

  // Resolves the flags and the environment. Throws Failure(usage).
  DaemonClient client() const;
};

// The parser of a verb, and the options that it fills in; both live as long as the whole parser.
template <typename Options>
struct Verb {
  CLI::App& parser;
  Options& options;
};

// Adds a verb. If it is the one that was named, `run` gets its options.
template <typename Options>
auto add_verb(CLI::App& app, Context& context, const std::string& name, const std::string& help,
              ExitCode (*run)(const DaemonClient&, Options)) {
  CLI::App& parser = *app.add_subcommand(name, help);
  const auto options = std::make_shared<std::remove_cvref_t<Options>>();
  parser.callback([&context, options, run] {
    context.run = [&context, options, run] { return run(context.client(), *options); };
  });
  return Verb<std::remove_cvref_t<Options>>{parser, *options};
}

// Writes to stdout at once. Throws std::system_error, a full disk or a closed pipe for example.
void print(std::string_view text);
// One line on stderr, made printable; never throws.
void print_error(std::string_view message) noexcept;

// Whether a function can have this name; the daemon's rule. docs/API.md
bool is_function_name(std::string_view name) noexcept;
// The place of one function in the API. Throws Failure(usage) for what is no name: a slash would be
// another place, and an empty name all functions.
std::string function_target(const std::string& name);

// One after the other; a failure, which is said, does not stop the rest. All are names.
ExitCode remove_functions(const DaemonClient& client, const std::vector<std::string>& names,
                          bool json);

CLI::Option* add_json_flag(CLI::App& verb, bool& json);

void add_new_verb(CLI::App& app, Context& context);
void add_list_verb(CLI::App& app, Context& context);
void add_ip_verb(CLI::App& app, Context& context);
void add_describe_verb(CLI::App& app, Context& context);
void add_rm_verb(CLI::App& app, Context& context);
void add_pack_verb(CLI::App& app, Context& context);
void add_versions_verb(CLI::App& app, Context& context);
void add_rollback_verb(CLI::App& app, Context& context);
void add_receipts_verb(CLI::App& app, Context& context);
void add_logs_verb(CLI::App& app, Context& context);
void add_runtime_verb(CLI::App& app, Context& context);
void add_run_verb(CLI::App& app, Context& context);
void add_upload_verb(CLI::App& app, Context& context);
void add_call_verb(CLI::App& app, Context& context);
void add_gc_verb(CLI::App& app, Context& context);
void add_doctor_verb(CLI::App& app, Context& context);
void add_version_verb(CLI::App& app, Context& context);
// Hidden: what shell completions ask for the names of functions.
void add_names_verb(CLI::App& app, Context& context);

}  // namespace cli
