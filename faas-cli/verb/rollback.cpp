// faas rollback: makes an earlier version of a function its next one.
#include <charconv>
#include <cstdint>
#include <optional>

#include "faas-cli/answer_json.h"
#include "faas-cli/terminal.h"
#include "faas-cli/verb/verb.h"

namespace cli {
namespace {

// What every reader of JSON holds exactly.
constexpr std::uint64_t kMaxVersion = 1ULL << 53;

struct RollbackOptions {
  std::string name;
  std::optional<std::string> version;  // without it, the one before the current
  bool json = false;
};

std::uint64_t version_of(const std::string& text, const std::string& name) {
  std::uint64_t version = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, version);
  if (error == std::errc() && rest == end && version >= 1 && version <= kMaxVersion) return version;
  throw_usage("'" + text + "' is no version; `faas versions " + name + "` lists them");
}

ExitCode run_rollback(const DaemonClient& client, const RollbackOptions& options) {
  std::string target = function_target(options.name) + "/rollback";
  if (options.version) {
    target += "?version=" + std::to_string(version_of(*options.version, options.name));
  }
  const Json function = require_object(client.post(target), client.endpoint());
  if (options.json) {
    print(to_text(function));
  } else {
    print(printable(text_of(function, "name")) + " is at " + printable(text_of(function, "ip")) +
          ", version " + printable(text_of(function, "version")) + ", a rollback of " +
          printable(text_of(function, "rollback_of")) + "\n");
  }
  return ExitCode::done;
}

}  // namespace

void add_rollback_verb(CLI::App& app, Context& context) {
  const auto [verb, options] = add_verb(
      app, context, "rollback", "go back to an earlier version of a function", run_rollback);
  verb.footer("What there is to go back to: faas versions NAME");
  verb.add_option("NAME", options.name, "the function")->required();
  verb.add_option("VERSION", options.version, "its number; without it, the one before");
  add_json_flag(verb, options.json);
}

}  // namespace cli
