// What `faas receipts` and `faas logs` have in common: the records that there are, or those and all
// that come, until the daemon ends it or somebody presses Ctrl-C.
#pragma once

#include <cstdint>
#include <string>

#include "faas-cli/answer_json.h"
#include "faas-cli/verb/verb.h"

namespace cli {

struct RecordOptions {
  std::string name;
  bool follow = false;
  std::uint32_t tail = 100;
  bool json = false;
};

void add_record_options(CLI::App& verb, RecordOptions& options);

// `place` is behind the function's name in the API; `title` goes before the first line. Throws
// Failure.
ExitCode list_records(const DaemonClient& client, const RecordOptions& options,
                      const std::string& place, const std::string& title,
                      std::string (*to_line)(const Json& record));

}  // namespace cli
