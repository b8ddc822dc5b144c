#include "faasd/function/language.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "faasd/function/bounds.h"
#include "faasd/function/function.h"
#include "oci/sys/error.h"

namespace function {
namespace {

using nlohmann::json;
using Scripts = Language::Scripts;

[[noreturn]] void bad(const std::string& what) {
  throw sys::Refused(
      sys::Refusal::invalid, "bad_language",
      "the option 'language' " + what +
          "; it is JSON such as "
          R"({"name": "bash", "version": "5.2.15", "aliases": ["sh"], "run": ["bash", "{file}"]})");
}

std::string word_in(const json& object, const char* key, const std::string& otherwise) {
  if (!object.contains(key)) return otherwise;
  const json& value = object.at(key);
  if (!value.is_string()) bad(std::string("has a member '") + key + "' that is no string");
  auto text = value.get<std::string>();
  if (text.size() > bounds::kMaxLanguageWord || text.find('\0') != std::string::npos) {
    bad(std::string("has a member '") + key + "' that is too long, or has a NUL in it");
  }
  return text;
}

std::vector<std::string> words_in(const json& object, const char* key) {
  std::vector<std::string> words;
  if (!object.contains(key)) return words;
  const json& list = object.at(key);
  const std::string what = std::string("has a member '") + key + "' that is no list of up to " +
                           std::to_string(bounds::kMaxLanguageWords) + " strings";
  if (!list.is_array() || list.size() > bounds::kMaxLanguageWords) bad(what);
  for (const json& each : list) {
    words.push_back(word_in({{key, each}}, key, ""));
    if (words.back().empty()) bad(what);
  }
  return words;
}

// Names of languages are said in paths and in JSON: "c++", "c#" and "objective-c" are some.
void check_language_name(const std::string& name, const char* key) {
  const auto known = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("+#._-").find(c) != std::string_view::npos;
  };
  if (name.empty() || name.size() > 64 || !std::all_of(name.begin(), name.end(), known)) {
    bad(std::string("has a member '") + key +
        "' that is no name of a language: 1 to 64 of a-z, 0-9, '+', '#', '.', '_' and '-'");
  }
}

void check_version(const std::string& version) {
  const auto known = [](char c) { return (c >= '0' && c <= '9') || c == '.'; };
  if (version.empty() || version.size() > 64 ||
      !std::all_of(version.begin(), version.end(), known)) {
    bad("has a member 'version' that is not made of numbers and dots, as 3.11.2 is");
  }
}

Scripts scripts_in(const json& object) {
  if (!object.contains("scripts")) return Scripts::none;
  const json& value = object.at("scripts");
  if (value == false) return Scripts::none;
  if (value == true) return Scripts::plain;
  if (value == "compiled") return Scripts::compiled;
  bad("has a member 'scripts' that is not true, false or \"compiled\"");
}

bool flag_in(const json& object, const char* key) {
  if (!object.contains(key)) return false;
  if (!object.at(key).is_boolean()) {
    bad(std::string("has a member '") + key + "' that is not true or false");
  }
  return object.at(key).get<bool>();
}

void check_members(const json& object) {
  static const std::set<std::string> kKnown = {"name",    "version", "aliases", "scripts",
                                               "compile", "run",     "file",    "branches"};
  for (const auto& [key, value] : object.items()) {
    if (!kKnown.contains(key)) bad("has a member '" + key + "' that is not known");
  }
}

}  // namespace

bool Language::is_called(std::string_view word) const noexcept {
  return word == name || std::find(aliases.begin(), aliases.end(), word) != aliases.end();
}

Language language_from_json(const json& object) {
  if (!object.is_object()) bad("is no JSON object");
  check_members(object);
  for (const char* needed : {"name", "version"}) {
    if (!object.contains(needed)) bad(std::string("needs a member '") + needed + "'");
  }
  Language language;
  language.name = word_in(object, "name", "");
  check_language_name(language.name, "name");
  language.version = word_in(object, "version", "");
  check_version(language.version);
  language.aliases = words_in(object, "aliases");
  for (const std::string& alias : language.aliases) check_language_name(alias, "aliases");
  language.scripts = scripts_in(object);
  language.branches = flag_in(object, "branches");
  if (language.branches && language.scripts == Scripts::none) {
    bad("has a member 'branches' and runs no scripts");
  }
  language.compile = words_in(object, "compile");
  language.run = words_in(object, "run");
  language.file = word_in(object, "file", "main");
  if (language.file.empty() || language.file == "." || language.file == ".." ||
      language.file.find('/') != std::string::npos) {
    bad("has a member 'file' that is no name of a file");
  }
  if (language.run.empty() && language.scripts == Scripts::none) {
    bad("needs a member 'run', a command, or 'scripts'");
  }
  return language;
}

Language parse_language(const std::string& text) {
  return language_from_json(json::parse(text, nullptr, false));
}

json to_json(const Language& language) {
  json object = {{"name", language.name},       {"version", language.version},
                 {"aliases", language.aliases}, {"compile", language.compile},
                 {"run", language.run},         {"file", language.file}};
  object["scripts"] = language.scripts != Scripts::none;
  if (language.scripts == Scripts::compiled) object["scripts"] = "compiled";
  if (language.branches) object["branches"] = true;
  return object;
}

}  // namespace function
