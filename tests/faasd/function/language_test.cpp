#include "faasd/function/language.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "faasd/function/function.h"
#include "oci/sys/error.h"

using function::Language;

TEST_CASE("a language is one line of JSON, and comes back from its file as it was") {
  const std::string text =
      R"({"name": "c++", "version": "12.2.0", "aliases": ["cpp", "g++"], "file": "main.cc",)"
      R"( "compile": ["g++", "{files}"], "run": ["./a.out"]})";
  const Language language = function::parse_language(text);
  CHECK(language.name == "c++");
  CHECK(language.is_called("c++"));
  CHECK(language.is_called("cpp"));
  CHECK_FALSE(language.is_called("c"));
  CHECK(language.scripts == Language::Scripts::none);
  const Language again = function::language_from_json(function::to_json(language));
  CHECK(function::to_json(again) == function::to_json(language));
  CHECK(again.compile == std::vector<std::string>{"g++", "{files}"});
  CHECK(again.file == "main.cc");
}

TEST_CASE("a language of scripts needs no command") {
  for (const auto& [word, scripts] : {std::pair{"true", Language::Scripts::plain},
                                      std::pair{"\"compiled\"", Language::Scripts::compiled}}) {
    const Language language = function::parse_language(
        R"({"name": "python", "version": "3", "scripts": )" + std::string(word) + "}");
    CHECK(language.scripts == scripts);
    CHECK(function::language_from_json(function::to_json(language)).scripts == scripts);
    CHECK_FALSE(function::language_from_json(function::to_json(language)).branches);
  }
}

TEST_CASE("what is no language is refused, and the text says what is wrong") {
  const struct {
    const char* text;
    const char* what;
  } kBad[] = {
      {"", "is no JSON object"},
      {"bash", "is no JSON object"},
      {"[]", "is no JSON object"},
      {R"({"version": "1", "run": ["x"]})", "'name'"},
      {R"({"name": "a b", "version": "1", "run": ["x"]})", "'name'"},
      {R"({"name": "../x", "version": "1", "run": ["x"]})", "'name'"},
      {R"({"name": "x", "run": ["x"]})", "'version'"},
      {R"({"name": "x", "version": "latest", "run": ["x"]})", "'version'"},
      {R"({"name": "x", "version": 3, "run": ["x"]})", "'version'"},
      {R"({"name": "x", "version": "1"})", "needs a member 'run'"},
      {R"({"name": "x", "version": "1", "run": []})", "needs a member 'run'"},
      {R"({"name": "x", "version": "1", "run": "bash x"})", "'run'"},
      {R"({"name": "x", "version": "1", "run": ["a\u0000b"]})", "'run'"},
      {R"({"name": "x", "version": "1", "run": [""]})", "'run'"},
      {R"({"name": "x", "version": "1", "run": ["x"], "aliases": ["A"]})", "'aliases'"},
      {R"({"name": "x", "version": "1", "run": ["x"], "scripts": "yes"})", "'scripts'"},
      {R"({"name": "x", "version": "1", "run": ["x"], "file": "a/b"})", "'file'"},
      {R"({"name": "x", "version": "1", "run": ["x"], "file": ".."})", "'file'"},
      {R"({"name": "x", "run": ["x"]})", "needs a member 'version'"},
      {R"({"name": "x", "version": "1", "scripts": true, "branches": 1})", "'branches'"},
      {R"({"name": "x", "version": "1", "run": ["x"], "branches": true})", "'branches'"},
      {"{}", "needs a member 'name'"},
      {R"({"name": "x", "version": "1", "run": ["x"], "compiler": []})", "'compiler'"},
  };
  for (const auto& row : kBad) {
    CAPTURE(row.text);
    try {
      function::parse_language(row.text);
      FAIL("it was taken");
    } catch (const sys::Refused& refused) {
      CHECK(refused.code() == "bad_language");
      CHECK(std::string(refused.what()).find(row.what) != std::string::npos);
    }
  }
}

TEST_CASE("a function keeps its language, and one without has none") {
  function::Function function;
  function.name = "bash";
  function.created_at = "2026-01-01T00:00:00Z";
  CHECK_FALSE(function::to_json(function).contains("language"));
  function::set_option(function, "language",
                       R"({"name": "bash", "version": "5.2", "run": ["bash", "{file}"]})");
  const function::Function again = function::function_from_json(function::to_json(function));
  REQUIRE(again.language);
  CHECK(again.language->run == std::vector<std::string>{"bash", "{file}"});
}

TEST_CASE("a language may know how to make the snapshot that branches begin with") {
  const function::Language language = function::parse_language(
      R"({"name": "python", "version": "3", "scripts": true, "branches": true})");
  CHECK(language.branches);
  CHECK(function::language_from_json(function::to_json(language)).branches);
}
