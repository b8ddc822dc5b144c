// faas runtime: the languages that scripts can be written in. Each is a function whose image comes
// with faasd, and which says of itself what it runs.
#include <algorithm>
#include <optional>

#include "faas-cli/deployment.h"
#include "faas-cli/function_text.h"
#include "faas-cli/interrupt.h"
#include "faas-cli/language_handlers.h"
#include "faas-cli/terminal.h"

namespace cli {
namespace {

struct InstallOptions {
  std::string language;
  Deployment deployment;
  std::optional<std::string> file;
  bool json = false;
};

struct RmOptions {
  std::vector<std::string> languages;
  bool json = false;
};

// The functions that are languages, each as a table wants it.
Json installed(const DaemonClient& client) {
  const Json answer = require_object(client.get("/v1/functions"), client.endpoint());
  Json runtimes = Json::array();
  for (const Json& function : list_of(answer, "functions")) {
    const auto language = function.find("language");
    if (language == function.end() || !language->is_object()) continue;
    runtimes.push_back({{"language", text_of(*language, "name")},
                        {"version", text_of(*language, "version")},
                        {"aliases", list_of(*language, "aliases")},
                        {"function", text_of(function, "name")},
                        {"image", text_of(function, "image")}});
  }
  return runtimes;
}

ExitCode run_list(const DaemonClient& client, bool json) {
  const Json runtimes = installed(client);
  print(json ? to_text({{"runtimes", runtimes}}) : runtimes_text(runtimes));
  return ExitCode::done;
}

// A thousand streams at once are not refused, and who comes again finds an interpreter that is up,
// unless the flags say otherwise.
void add_defaults(InstallOptions& options, const std::string& description) {
  Deployment& deployment = options.deployment;
  if (deployment.name.empty()) deployment.name = options.language;
  deployment.options["language"] = description;
  deployment.options.try_emplace("concurrency", "1024");
  deployment.options.try_emplace("queue", "1024");
  deployment.options.try_emplace("queue_timeout", "60s");
  deployment.options.try_emplace("warm", "auto");
}

ExitCode run_install(const DaemonClient& client, const InstallOptions& given) {
  const LanguageHandlers handlers;
  InstallOptions options = given;
  add_defaults(options, handlers.description(options.language));
  function_target(options.deployment.name);  // may throw
  std::optional<Upload> image;
  if (options.file) image = Upload::open(options.file, options.deployment.name);
  say_on_interrupt("faas: interrupted; nothing was deployed\n");
  exit_on_interrupt();
  ask_first(client, options.deployment);
  if (!image) image = handlers.make_image(options.language);
  const Json function = deploy(client, options.deployment, *image);
  const Json language = function.value("language", Json::object());
  if (options.json) {
    print(to_text(function));
  } else {
    print(printable(text_of(language, "name") + " " + text_of(language, "version") +
                    " is the function " + text_of(function, "name") + ", version " +
                    text_of(function, "version")) +
          "\n");
    print_notes(function, "try: echo 'return 6 * 7' | faas run -l " + options.language + " -");
  }
  return ExitCode::done;
}

ExitCode run_rm(const DaemonClient& client, const RmOptions& options) {
  std::vector<std::string> names;
  const Json runtimes = installed(client);
  for (const std::string& language : options.languages) {
    const std::size_t before = names.size();
    for (const Json& runtime : runtimes) {
      if (text_of(runtime, "language") == language) names.push_back(text_of(runtime, "function"));
    }
    if (names.size() > before) continue;
    throw Failure(ExitCode::refused, "no language '" + language + "' is installed; nothing was " +
                                         "removed: see faas runtime list");
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());  // a language named twice
  return remove_functions(client, names, options.json);
}

void add_install_verb(CLI::App& app, Context& context) {
  const auto [verb, options] =
      add_verb(app, context, "install", "make the image of a language, and deploy it", run_install);
  verb.footer(
      "Without -f it takes Docker, or root and mmdebstrap. Example: faas runtime install "
      "python");
  verb.add_option("LANG", options.language, "python, javascript, typescript")->required();
  verb.add_option("-f,--file", options.file, "its image, instead of making it; - for stdin");
  verb.add_option("--name", options.deployment.name, "the function [LANG]");
  add_deploy_flags(verb, options.deployment, {"language", "protocol"});
  verb.get_option("--concurrency")->description("instances at once [1024]");
  verb.get_option("--queue")->description("scripts that may wait beyond that [1024]");
  verb.get_option("--queue-timeout")->description("longest wait of a script [60s]");
  verb.get_option("--warm")->description("instances to keep waiting, or auto [auto]");
  verb.get_option("--mode")->description(
      "ephemeral, or branched, which Python is unless it is told");
  add_json_flag(verb, options.json);
}

}  // namespace

void add_runtime_verb(CLI::App& app, Context& context) {
  CLI::App& verb = *app.add_subcommand("runtime", "install languages, list and remove them");
  verb.require_subcommand(1);
  const auto [list, list_json] =
      add_verb(verb, context, "list", "list the languages that are installed", run_list);
  add_json_flag(list, list_json);
  add_install_verb(verb, context);
  const auto [rm, rm_options] =
      add_verb(verb, context, "rm", "drain and remove the functions of languages", run_rm);
  rm.add_option("LANG", rm_options.languages, "the languages")->required();
  add_json_flag(rm, rm_options.json);
}

}  // namespace cli
