// faas ip: the address of a function, alone on a line.
#include "faas-cli/answer_json.h"
#include "faas-cli/terminal.h"
#include "faas-cli/verb/verb.h"

namespace cli {
namespace {

struct IpOptions {
  std::string name;
  bool json = false;
};

ExitCode run_ip(const DaemonClient& client, const IpOptions& options) {
  const Json function =
      require_object(client.get(function_target(options.name)), client.endpoint());
  if (options.json) {
    print(to_text({{"name", text_of(function, "name")}, {"ip", text_of(function, "ip")}}));
  } else {
    print(printable(text_of(function, "ip")) + "\n");
  }
  return ExitCode::done;
}

}  // namespace

void add_ip_verb(CLI::App& app, Context& context) {
  const auto [verb, options] =
      add_verb(app, context, "ip", "print the address of a function", run_ip);
  verb.add_option("NAME", options.name, "the function")->required();
  add_json_flag(verb, options.json);
}

}  // namespace cli
