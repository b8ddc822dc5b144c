// faas ip: the address of a function, alone on a line.
#include <memory>

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
  CLI::App* verb = app.add_subcommand("ip", "print the address of a function");
  const auto options = std::make_shared<IpOptions>();
  verb->add_option("NAME", options->name, "the function")->required();
  add_json_flag(*verb, options->json);
  verb->callback([&context, options] {
    context.run = [&context, options] { return run_ip(context.client(), *options); };
  });
}

}  // namespace cli
