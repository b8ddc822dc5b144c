// What became of a stage, as the line of JSON that the client gets. The words are those of Piston:
// status RE, SG, TO, OL, EL, XX; names of signals; a code or a signal, never both. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "handlers/execute/stage.h"

namespace execute {

// {"compile": {…}} with what was captured, {"run": {…}} without. They end with a newline; bytes
// that are no UTF-8 are U+FFFD.
std::string compile_line(const Outcome& outcome, std::string_view program);
std::string run_line(const Outcome& outcome, std::string_view program);

// Of a stage that could not be: XX.
std::string failure_line(std::string_view stage, std::string_view reason);

// What a shell would print of a program that it cannot execute; empty if it was executed.
std::string start_error_text(const Outcome& outcome, std::string_view program);

// Only then is there something to run.
bool succeeded(const Outcome& outcome);

}  // namespace execute
