// faas gc: has the daemon free what nothing uses, and says what the disk got back.
#include <unistd.h>

#include <chrono>

#include "faas-cli/answer_json.h"
#include "faas-cli/terminal.h"
#include "faas-cli/units.h"
#include "faas-cli/verb/verb.h"

namespace cli {
namespace {

constexpr std::chrono::seconds kLong{1};

std::uint64_t number_of(const Json& answer, const char* key) {
  const auto value = answer.find(key);
  return value != answer.end() && value->is_number_unsigned() ? value->get<std::uint64_t>() : 0;
}

std::string counted(std::uint64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// A line for somebody who looks at a terminal and wonders, once this takes long.
UploadObserver explain_waiting() {
  UploadObserver observer;
  if (!is_terminal(STDERR_FILENO)) return observer;
  const auto late = std::chrono::steady_clock::now() + kLong;
  observer.waiting = [late, said = false]() mutable {
    if (said || std::chrono::steady_clock::now() < late) return;
    print_error("waiting until the disk has its space back");
    said = true;
  };
  return observer;
}

ExitCode run_gc(const DaemonClient& client, bool json) {
  const Json answer =
      require_object(client.post("/v1/gc", {}, explain_waiting()), client.endpoint());
  if (json) {
    print(to_text(answer));
    return ExitCode::done;
  }
  // The bytes are also those of functions that were removed before: not of these images alone.
  print("freed " + format_bytes(number_of(answer, "bytes")) + "; removed " +
        counted(number_of(answer, "images"), "unused image") + ", " +
        counted(number_of(answer, "layers"), "unused layer") + "\n");
  for (const Json& file : list_of(answer, "unread")) {
    print_error("images that no function names were kept: those of functions/" +
                (file.is_string() ? file.get<std::string>() : file.dump()) +
                " in the daemon's state directory are not known; mend it or remove it");
  }
  return ExitCode::done;
}

}  // namespace

void add_gc_verb(CLI::App& app, Context& context) {
  const auto [verb, json] =
      add_verb(app, context, "gc", "free images and layers that nothing uses", run_gc);
  add_json_flag(verb, json);
}

}  // namespace cli
