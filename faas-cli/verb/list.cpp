// faas list: one line a function.
#include "faas-cli/answer_json.h"
#include "faas-cli/function_text.h"
#include "faas-cli/verb/verb.h"

namespace cli {
namespace {

ExitCode run_list(const DaemonClient& client, bool json) {
  const Json answer = require_object(client.get("/v1/functions"), client.endpoint());
  print(json ? to_text(answer) : list_text(list_of(answer, "functions")));
  return ExitCode::done;
}

}  // namespace

void add_list_verb(CLI::App& app, Context& context) {
  const auto [verb, json] = add_verb(app, context, "list", "list the functions", run_list);
  add_json_flag(verb, json);
}

}  // namespace cli
