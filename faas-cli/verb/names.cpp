// faas __names: the names of the functions, one a line, for shell completions. Whatever goes wrong,
// it prints nothing: a completion must not write into somebody's command line.
#include <exception>

#include "faas-cli/answer_json.h"
#include "faas-cli/verb/verb.h"

namespace cli {
namespace {

// Longer than this is worse than no completion.
constexpr std::chrono::seconds kCompletionTimeout{2};

ExitCode run_names(const DaemonClient& client) {
  const Json answer =
      require_object(client.get("/v1/functions", kCompletionTimeout), client.endpoint());
  std::string lines;
  for (const Json& function : list_of(answer, "functions")) {
    const std::string name = text_of(function, "name");
    // Shells expand the words of a completion (`compgen -W`), so a server that is none of ours must
    // not get a '$' through.
    if (is_function_name(name)) lines += name + "\n";
  }
  print(lines);
  return ExitCode::done;
}

}  // namespace

void add_names_verb(CLI::App& app, Context& context) {
  CLI::App* verb = app.add_subcommand("__names", "");
  verb->group("");  // CLI11: an empty group is not shown in the help
  verb->callback([&context] {
    context.run = [&context] {
      try {
        return run_names(context.client());
      } catch (const std::exception&) {
        return ExitCode::done;
      }
    };
  });
}

}  // namespace cli
