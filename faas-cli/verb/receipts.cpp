// faas receipts: one line for each invocation of a function: what it cost and how it ended.
#include "faas-cli/record_listing.h"
#include "faas-cli/record_text.h"

namespace cli {
namespace {

ExitCode run_receipts(const DaemonClient& client, const RecordOptions& options) {
  return list_records(client, options, "/receipts", receipt_title(), receipt_line);
}

}  // namespace

void add_receipts_verb(CLI::App& app, Context& context) {
  const auto [verb, options] = add_verb(
      app, context, "receipts", "show what invocations cost and how they ended", run_receipts);
  add_record_options(verb, options);
}

}  // namespace cli
