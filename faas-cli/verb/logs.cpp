// faas logs: what the instances of a function wrote to stdout and stderr.
#include "faas-cli/record_listing.h"
#include "faas-cli/record_text.h"

namespace cli {
namespace {

ExitCode run_logs(const DaemonClient& client, const RecordOptions& options) {
  return list_records(client, options, "/logs", "", output_line);
}

}  // namespace

void add_logs_verb(CLI::App& app, Context& context) {
  const auto [verb, options] =
      add_verb(app, context, "logs", "show what instances of a function wrote", run_logs);
  add_record_options(verb, options);
}

}  // namespace cli
