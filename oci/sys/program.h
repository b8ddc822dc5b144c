// A program that is asked a question: run, given little time and room to answer, ended if it takes
// more. Any thread; blocks it for 5 s at most.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sys {

struct ProgramResult {
  bool success = false;
  std::string output;  // of stdout, cut off at a bound
};

// Empty if the program is not there or did not end in time. argv[0] is looked up as
// SubprocessOptions says.
std::optional<ProgramResult> run_program(const std::vector<std::string>& argv);

// Another program of this package: beside this one where both were built, in ../libexec/faasd where
// they were installed. Throws Refused(failed, "missing_program") if it is in neither.
std::filesystem::path find_own_program(const std::string& name);

}  // namespace sys
