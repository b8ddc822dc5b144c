// faas list: one line a function.
#include "faas-cli/answer_json.h"
#include "faas-cli/function_text.h"
#include "faas-cli/verb/verb.h"

namespace cli {
namespace {

ExitCode run_list(const DaemonClient& client, bool json) {
  const Json answer = require_object(client.get("/v1/functions"), client.endpoint());
  if (json) {
    print(to_text(answer));
    return ExitCode::done;
  }
  const auto functions = answer.find("functions");
  const bool usable = functions != answer.end() && functions->is_array();
  print(list_text(usable ? *functions : Json::array()));
  return ExitCode::done;
}

}  // namespace

void add_list_verb(CLI::App& app, Context& context) {
  const auto [verb, json] = add_verb(app, context, "list", "list the functions", run_list);
  add_json_flag(verb, json);
}

}  // namespace cli
