// faas upload: keeps a script with the daemon, as the next version of its path.
#include "faas-cli/answer_json.h"
#include "faas-cli/script_run.h"
#include "faas-cli/terminal.h"

namespace cli {
namespace {

struct Options {
  std::string path;
  std::string file;
  std::string language;
  bool json = false;
};

ExitCode run_upload(const DaemonClient& client, const Options& options) {
  const std::string language =
      options.language.empty() ? language_of(options.file) : options.language;
  const Json request = {
      {"path", options.path}, {"language", language}, {"code", read_code(options.file)}};
  const Json answer = require_object(
      client.post("/upload", request.dump(-1, ' ', false, Json::error_handler_t::replace)),
      client.endpoint());
  if (options.json) {
    print(to_text(answer));
  } else {
    print(printable(text_of(answer, "path")) + ", version " +
          printable(text_of(answer, "version")) + "\n");
  }
  return ExitCode::done;
}

}  // namespace

void add_upload_verb(CLI::App& app, Context& context) {
  const auto [verb, options] =
      add_verb<const Options&>(app, context, "upload", "keep a script, to call it", run_upload);
  verb.footer("Example: faas upload greet greet.py && faas call greet");
  verb.add_option("PATH", options.path, "what it is called; a known one gets a new version")
      ->required();
  verb.add_option("FILE", options.file, "the script; - for stdin")->required();
  verb.add_option("-l,--language", options.language, "its language [what FILE ends in]");
  add_json_flag(verb, options.json);
}

}  // namespace cli
