// faas call: runs a script that was uploaded.
#include "faas-cli/answer_json.h"
#include "faas-cli/script_run.h"

namespace cli {
namespace {

struct Options {
  std::string path;
  std::optional<std::uint64_t> version;
  RunOptions run;
};

ExitCode run_call(const DaemonClient& client, const Options& options) {
  std::string target = script_target("/run/", options.path);
  if (options.version) target += "?version=" + std::to_string(*options.version);
  return show_run(client, target, Json::object(), options.run);
}

}  // namespace

void add_call_verb(CLI::App& app, Context& context) {
  const auto [verb, options] =
      add_verb<const Options&>(app, context, "call", "run an uploaded script", run_call);
  verb.add_option("PATH", options.path, "what it was uploaded as")->required();
  verb.add_option("--version", options.version, "one of its versions [the latest]");
  add_run_options(verb, options.run);
}

}  // namespace cli
