// faas run: runs a script that is nowhere but in a file here.
#include "faas-cli/answer_json.h"
#include "faas-cli/script_run.h"

namespace cli {
namespace {

struct Options {
  std::string language;
  std::string file;
  RunOptions run;
};

ExitCode run_run(const DaemonClient& client, const Options& options) {
  const std::string language =
      options.language.empty() ? language_of(options.file) : options.language;
  return show_run(client, "/run-now", {{"language", language}, {"code", read_code(options.file)}},
                  options.run);
}

}  // namespace

void add_run_verb(CLI::App& app, Context& context) {
  const auto [verb, options] =
      add_verb<const Options&>(app, context, "run", "run a script", run_run);
  verb.footer("Example: faas run hello.py --input '{\"name\": \"you\"}'");
  verb.add_option("FILE", options.file, "the script; - for stdin")->required();
  verb.add_option("-l,--language", options.language, "its language [what FILE ends in]");
  add_run_options(verb, options.run);
}

}  // namespace cli
