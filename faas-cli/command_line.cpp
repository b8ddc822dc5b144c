#include "faas-cli/command_line.h"

#include <cerrno>
#include <exception>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "faas-cli/verb/verb.h"

namespace cli {
namespace {

template <typename Code>
int to_int(Code code) {
  return static_cast<int>(code);
}

void describe_program(CLI::App& app, Context& context) {
  app.name("faas");
  app.description("Deploys functions to faasd: a fresh container for every TCP connection.");
  app.footer("Exit codes: 0 done, 1 refused by the daemon, 2 usage, 3 no daemon. See faas(1).");
  app.set_version_flag("--version", "faas " FAAS_VERSION);
  app.require_subcommand(1);
  app.fallthrough();  // the flags of the connection may stand after the verb
  EndpointFlags& flags = context.endpoint_flags;
  app.add_option("--socket", flags.socket,
                 "the daemon's socket, FAAS_SOCKET [/run/faasd/faasd.sock]");
  app.add_option("--url", flags.url, "the daemon's http://HOST:PORT, FAAS_URL");
  app.add_option("--token", flags.token, "bearer token, FAAS_TOKEN or FAAS_TOKEN_FILE");
  add_new_verb(app, context);
  add_list_verb(app, context);
  add_ip_verb(app, context);
  add_describe_verb(app, context);
  add_rm_verb(app, context);
  add_receipts_verb(app, context);
  add_logs_verb(app, context);
  add_pack_verb(app, context);
  add_versions_verb(app, context);
  add_rollback_verb(app, context);
  add_runtime_verb(app, context);
  add_run_verb(app, context);
  add_upload_verb(app, context);
  add_call_verb(app, context);
  add_gc_verb(app, context);
  add_doctor_verb(app, context);
  add_version_verb(app, context);
  add_names_verb(app, context);
}

// --help and --version come as exceptions too, with exit code 0.
int report_parse_result(CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == to_int(ExitCode::done)) {
    std::ostringstream text;
    app.exit(error, text, text);
    print(text.str());
    return to_int(ExitCode::done);
  }
  if (const std::vector<CLI::App*> verbs = app.get_subcommands(); !verbs.empty()) {
    print_error(std::string(error.what()) + "; see faas " + verbs.front()->get_name() + " --help");
    return to_int(ExitCode::usage);
  }
  // CLI11 misses the verb before it looks at the word in its place.
  const std::vector<std::string> unknown = app.remaining();
  const bool required = error.get_exit_code() == to_int(CLI::ExitCodes::RequiredError);
  std::string message = error.what();
  if (required) message = "a verb is required";
  if (!unknown.empty()) message = "'" + unknown.front() + "' is no verb";
  print_error(message + "; see faas --help");
  return to_int(ExitCode::usage);
}

int run(int argc, const char* const* argv) {
  CLI::App app;
  Context context;
  describe_program(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return report_parse_result(app, error);
  }
  return to_int(context.run());
}

}  // namespace

int run_command_line(int argc, const char* const* argv) noexcept {
  try {
    return run(argc, argv);
  } catch (const Failure& failure) {
    print_error(failure.what());
    return to_int(failure.exit_code());
  } catch (const std::system_error& error) {
    // The reader of our output has gone (and SIGPIPE is ignored): it knows.
    if (error.code().value() != EPIPE) print_error(error.what());
  } catch (const std::exception& error) {
    print_error(error.what());
  }
  return to_int(ExitCode::refused);
}

}  // namespace cli
