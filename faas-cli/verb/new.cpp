// faas new: deploys an image, as `docker save` and others write it, from stdin, a file or a
// directory.
#include <optional>

#include "faas-cli/deployment.h"
#include "faas-cli/interrupt.h"
#include "faas-cli/terminal.h"

namespace cli {
namespace {

struct NewOptions {
  Deployment deployment;
  std::optional<std::string> file;
  bool json = false;
};

void print_result(const Json& function) {
  if (const auto language = function.find("language"); language != function.end()) {
    print(printable(text_of(function, "name")) + " runs " + printable(text_of(*language, "name")) +
          " " + printable(text_of(*language, "version")) + ", version " +
          printable(text_of(function, "version")) + "\n");
    return print_notes(function, "try: faas runtime list");
  }
  const std::string ip = printable(text_of(function, "ip"));
  print(printable(text_of(function, "name")) + " is at " + ip + ", version " +
        printable(text_of(function, "version")) + "\n");
  const std::string port = printable(text_of(function, "port"));
  const std::string place = port == "80" || port == "-" ? ip : ip + ":" + port;
  const bool http = text_of(function, "protocol") != "tcp";
  print_notes(function, http ? "try: curl http://" + place + "/" : "connect to it at " + place);
}

ExitCode run_new(const DaemonClient& client, const NewOptions& options) {
  function_target(options.deployment.name);  // may throw
  Upload upload = Upload::open(options.file, options.deployment.name);
  say_on_interrupt("faas: interrupted; nothing was deployed\n");
  exit_on_interrupt();
  ask_first(client, options.deployment);
  const Json function = deploy(client, options.deployment, upload);
  if (options.json) {
    print(to_text(function));
  } else {
    print_result(function);
  }
  return ExitCode::done;
}

}  // namespace

void add_new_verb(CLI::App& app, Context& context) {
  const auto [verb, options] =
      add_verb(app, context, "new", "deploy an image as a function", run_new);
  verb.footer("Example: docker save IMAGE | faas new NAME");
  verb.add_option("NAME", options.deployment.name, "the function; a known one is replaced")
      ->required();
  verb.add_option("-f,--file", options.file,
                  "a tarball, or a directory with an OCI layout; without it, or for -, stdin");
  add_deploy_flags(verb, options.deployment);
  add_json_flag(verb, options.json);
}

}  // namespace cli
