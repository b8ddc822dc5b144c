// What makes a function a language: its instances run scripts and programs that faasd sends them,
// instead of serving connections; it has no listener. Said by the owner at the deploy, in one line
// of JSON. A plain value. docs/LANGUAGES.md.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace function {

struct Language {
  // Whether its image answers a script that comes with its request, as handlers/python does.
  enum class Scripts {
    none,
    plain,     // as they are
    compiled,  // the image makes something of them first, once
  };

  std::string name;                  // "python"; several functions may have the same
  std::string version;               // "3.11.2"
  std::vector<std::string> aliases;  // "py"
  Scripts scripts = Scripts::none;
  // Whether what answers scripts can write the snapshot that branches begin with.
  bool branches = false;
  // Of programs, which are files: commands in which "{file}" is the first of them, and "{files}"
  // all that end as it does.
  std::vector<std::string> compile;  // empty: there is nothing to compile
  std::vector<std::string> run;      // empty: it runs no programs
  std::string file;                  // what a nameless file is called: "main.py"

  bool is_called(std::string_view word) const noexcept;  // its name, or an alias
};

// Throw sys::Refused(invalid, "bad_language") that names the member and what would be right.
Language language_from_json(const nlohmann::json& json);
Language parse_language(const std::string& text);

nlohmann::json to_json(const Language& language);

}  // namespace function
