// A program: files, a command of its language, arguments and input, run once by faas-execute in the
// place of the image's own command. As the Piston v2 API has it. docs/LANGUAGES.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "faasd/function/function.h"
#include "faasd/script/runner.h"

namespace script {

struct Program {
  // What may be large is a string of JSON as it was written, and a view of it.
  struct File {
    std::string name;  // empty: the language's own for the first one
    std::string_view content;
    std::string encoding = "utf8";  // or "base64", "hex"
  };
  std::vector<File> files;
  std::string_view input = R"("")";
  std::vector<std::string> args;
  std::chrono::milliseconds compile_timeout{10'000};
  std::chrono::milliseconds run_timeout{3'000};
  std::optional<std::uint64_t> memory_bytes;  // empty: the language's
};

// Throws sys::Refused if its function runs no programs, and what Runner::start throws.
std::unique_ptr<Audience> start_program(Runner& runner, const function::Function& language,
                                        const Program& program);

// How one that has ended did: {"compile": {…}, "run": {…}}, as Piston says it; "compile" if there
// was something to compile, "run" unless that failed. Empty if it never ran, or there was no
// memory for what it printed: `refusal` then says why not.
struct ProgramEnd {
  nlohmann::ordered_json stages;
  int refusal_status = 0;
  std::string refusal;
  std::string retry_after;
};
ProgramEnd end_of_program(const Run& run, const End& end);

}  // namespace script
