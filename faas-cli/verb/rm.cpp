// faas rm: removes functions.
#include <vector>

#include "faas-cli/answer_json.h"
#include "faas-cli/terminal.h"
#include "faas-cli/verb/verb.h"

namespace cli {
namespace {

struct RmOptions {
  std::vector<std::string> names;
  bool json = false;
};

ExitCode run_rm(const DaemonClient& client, const RmOptions& options) {
  // A wrong name is a usage error before the first function is gone.
  for (const std::string& name : options.names) function_target(name);
  return remove_functions(client, options.names, options.json);
}

}  // namespace

ExitCode remove_functions(const DaemonClient& client, const std::vector<std::string>& names,
                          bool json) {
  Json removed = Json::array();
  Json failed = Json::array();
  for (const std::string& name : names) {
    const Answer answer = client.remove(function_target(name));
    if (answer.ok()) {
      removed.push_back(name);
      if (!json) print(printable(name) + "\n");
    } else {
      const std::string message = error_message(answer);
      failed.push_back({{"name", name}, {"error", message}});
      const bool named = message.find("'" + name + "'") != std::string::npos;
      print_error(named ? message : std::string(name).append(": ").append(message));
    }
  }
  if (json) print(to_text({{"removed", removed}, {"failed", failed}}));
  return failed.empty() ? ExitCode::done : ExitCode::refused;
}

void add_rm_verb(CLI::App& app, Context& context) {
  const auto [verb, options] = add_verb(app, context, "rm", "drain and remove functions", run_rm);
  verb.add_option("NAME", options.names, "the functions")->required();
  add_json_flag(verb, options.json);
}

}  // namespace cli
