// What faas-execute is asked to run: the files of a program, how to compile and run it, and what it
// may use. Read from JSON and checked: whoever has one need not look again. Values, copied.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace execute {

// The request cannot be served. `code` is snake_case and stable, the text is for people.
class BadRequest : public std::runtime_error {
 public:
  BadRequest(int status, std::string code, const std::string& message)
      : std::runtime_error(message), status_(status), code_(std::move(code)) {}

  int status() const noexcept { return status_; }
  const std::string& code() const noexcept { return code_; }

 private:
  int status_;
  std::string code_;
};

struct File {
  std::string name;  // relative, of plain components: below the directory it is put in
  std::string content;
};

using Arguments = std::vector<std::string>;
using Timeout = std::optional<std::chrono::milliseconds>;  // none: no limit

struct Program {
  std::vector<File> files;
  Arguments compile;  // empty: there is nothing to compile
  Arguments run;
  std::string stdin_text;
  Timeout compile_timeout;
  Timeout run_timeout;
  std::size_t output_bytes = 0;  // of each of a compiler's two streams
};

// Throws BadRequest: bad_json, bad_program, bad_file.
Program parse_program(std::string_view json_text);

}  // namespace execute
