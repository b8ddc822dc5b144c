#include "faas-cli/record_listing.h"

#include "faas-cli/event_reader.h"
#include "faas-cli/interrupt.h"

namespace cli {
namespace {

constexpr std::uint32_t kTailMax = 10'000;  // the daemon's

}  // namespace

void add_record_options(CLI::App& verb, RecordOptions& options) {
  verb.add_option("NAME", options.name, "the function")->required();
  verb.add_flag("-f,--follow", options.follow, "show what comes, until Ctrl-C");
  verb.add_option("--tail", options.tail, "how many of the latest to begin with [100]")
      ->check(CLI::Range(std::uint32_t{0}, kTailMax));
  verb.add_flag("--json", options.json, "print JSON, one line each");
}

ExitCode list_records(const DaemonClient& client, const RecordOptions& options,
                      const std::string& place, const std::string& title,
                      std::string (*to_line)(const Json& record)) {
  const std::string target =
      function_target(options.name) + place + "?tail=" + std::to_string(options.tail);
  const auto show = [&](const Json& record) {
    print(options.json ? record.dump(-1, ' ', true) + "\n" : to_line(record));
  };
  const auto not_faasd = [&] {
    throw Failure(ExitCode::no_daemon, client.endpoint().describe() +
                                           " answers, but not as faasd does: is it another " +
                                           "program?");
  };
  if (!options.follow) {
    const Answer answer = client.get(target);
    require_ok(answer);
    const Json records = Json::parse(answer.body, nullptr, false);
    if (!records.is_array()) not_faasd();
    if (!options.json) print(title);
    for (const Json& record : records) show(record);
    return ExitCode::done;
  }
  exit_on_interrupt();
  std::string end;
  EventReader events([&](const std::string& event, const std::string& data) {
    if (event == "end") {
      end = data;
      return;
    }
    const Json record = Json::parse(data, nullptr, false);
    if (event == "missed") return print_error(data + " records were missed: too many at once");
    if (!record.is_object()) not_faasd();
    show(record);
  });
  bool titled = options.json;
  const Answer answer = client.follow(target + "&follow=1", [&](std::string_view bytes) {
    if (!std::exchange(titled, true)) print(title);
    events.take(bytes);
  });
  require_ok(answer);
  if (end.empty()) throw Failure(ExitCode::no_daemon, "the daemon went away");
  print_error(end == "removed" ? "the function was removed" : "the daemon stops");
  return ExitCode::done;
}

}  // namespace cli
