// The whole command line: parses, runs the verb, turns failures into one line on stderr and an exit
// code. Throws nothing.
#pragma once

namespace cli {

int run_command_line(int argc, const char* const* argv) noexcept;

}  // namespace cli
