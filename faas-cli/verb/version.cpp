// faas version: of this program and of the daemon.
#include "faas-cli/answer_json.h"
#include "faas-cli/terminal.h"
#include "faas-cli/verb/verb.h"

namespace cli {
namespace {

ExitCode run_version(const DaemonClient& client, bool json) {
  // Without a daemon, this program's own version is still worth printing.
  if (!json) print("faas  " FAAS_VERSION "\n");
  const Json answer = require_object(client.get("/version"), client.endpoint());
  const std::string daemon = text_of(answer, "version");
  if (json) {
    print(to_text({{"faas", FAAS_VERSION}, {"faasd", daemon}}));
  } else {
    print("faasd " + printable(daemon) + " at " + client.endpoint().describe() + "\n");
  }
  return ExitCode::done;
}

}  // namespace

void add_version_verb(CLI::App& app, Context& context) {
  const auto [verb, json] =
      add_verb(app, context, "version", "print the version of faas and of the daemon", run_version);
  add_json_flag(verb, json);
}

}  // namespace cli
