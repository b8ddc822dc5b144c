#include "handlers/execute/answer.h"

#include <unistd.h>

#include <string>
#include <system_error>
#include <utility>

#include "handlers/execute/files.h"
#include "handlers/execute/http.h"
#include "handlers/execute/program.h"
#include "handlers/execute/report.h"
#include "handlers/execute/stage.h"

namespace execute {
namespace {

constexpr const char* kDirectory = "/tmp/program";

// Where a shell would have said it.
void say_start_error(const Outcome& outcome, const std::string& program) {
  const std::string line = start_error_text(outcome, program) + "\n";
  if (outcome.start_error == 0) return;
  const ssize_t ignored = ::write(STDERR_FILENO, line.data(), line.size());
  (void)ignored;  // a log that is gone is no reason to drop the client
}

// Each stage's line as soon as it has ended.
void serve(Program program, int connection) {
  const char* stage = "compile";
  send_head(connection);
  try {
    if (!program.compile.empty()) {
      const Outcome outcome = compile(program, connection);
      send_text(connection, compile_line(outcome, program.compile.front()));
      if (!succeeded(outcome)) return;
    }
    stage = "run";
    const std::string name = program.run.front();
    const Outcome outcome = run(std::move(program), connection);
    say_start_error(outcome, name);
    send_text(connection, run_line(outcome, name));
  } catch (const std::system_error& error) {
    send_text(connection, failure_line(stage, error.what()));
  }
}

}  // namespace

void answer(int connection) try {
  Program program = parse_program(read_body(connection));
  write_files(program.files, kDirectory);
  program.files = {};  // what this process holds is taken from the program's memory
  choose_home();
  serve(std::move(program), connection);
} catch (const BadRequest& problem) {
  send_error(connection, problem);
} catch (const std::system_error& error) {
  send_error(connection, {500, "failed", error.what()});
}

}  // namespace execute
