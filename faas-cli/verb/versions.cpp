// faas versions: one line for each version of a function that is kept, the current one first.
#include "faas-cli/answer_json.h"
#include "faas-cli/function_text.h"
#include "faas-cli/verb/verb.h"

namespace cli {
namespace {

struct VersionsOptions {
  std::string name;
  bool json = false;
};

ExitCode run_versions(const DaemonClient& client, const VersionsOptions& options) {
  const Json answer =
      require_object(client.get(function_target(options.name) + "/versions"), client.endpoint());
  print(options.json ? to_text(answer) : versions_text(list_of(answer, "versions")));
  return ExitCode::done;
}

}  // namespace

void add_versions_verb(CLI::App& app, Context& context) {
  const auto [verb, options] = add_verb(
      app, context, "versions", "list the versions of a function to go back to", run_versions);
  verb.add_option("NAME", options.name, "the function")->required();
  add_json_flag(verb, options.json);
}

}  // namespace cli
