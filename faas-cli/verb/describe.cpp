// faas describe: everything about a function, limits and the configuration of its image included.
#include "faas-cli/answer_json.h"
#include "faas-cli/function_text.h"
#include "faas-cli/verb/verb.h"

namespace cli {
namespace {

struct DescribeOptions {
  std::string name;
  bool json = false;
};

ExitCode run_describe(const DaemonClient& client, const DescribeOptions& options) {
  const Json function =
      require_object(client.get(function_target(options.name)), client.endpoint());
  print(options.json ? to_text(function) : describe_text(function));
  return ExitCode::done;
}

}  // namespace

void add_describe_verb(CLI::App& app, Context& context) {
  const auto [verb, options] =
      add_verb(app, context, "describe", "show everything about a function", run_describe);
  verb.add_option("NAME", options.name, "the function")->required();
  add_json_flag(verb, options.json);
}

}  // namespace cli
