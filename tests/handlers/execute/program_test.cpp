#include "handlers/execute/program.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace {

using execute::BadRequest;
using execute::parse_program;
using execute::Program;
using nlohmann::json;

json good() {
  return {{"files", {{{"name", "main.c"}, {"content", "int x;"}}}},
          {"run", {"./program", "an argument"}}};
}

std::string code_of(const std::string& text) {
  try {
    (void)parse_program(text);
  } catch (const BadRequest& problem) {
    CHECK(problem.status() == 400);
    return problem.code();
  }
  return "none";
}

json with_names(const std::vector<std::string>& names) {
  json request = good();
  request["files"] = json::array();
  for (const std::string& name : names) {
    request["files"].push_back({{"name", name}, {"content", ""}});
  }
  return request;
}

TEST_CASE("a program has what its request says") {
  json request = good();
  request["compile"] = {"cc", "main.c"};
  request["stdin"] = std::string("a\0b", 3);
  request["run_timeout_ms"] = 3000;
  request["output_bytes"] = 1024;
  request["compile_timeout_ms"] = nullptr;
  const Program program = parse_program(request.dump());
  REQUIRE(program.files.size() == 1);
  CHECK(program.files[0].name == "main.c");
  CHECK(program.files[0].content == "int x;");
  CHECK(program.compile == execute::Arguments{"cc", "main.c"});
  CHECK(program.run == execute::Arguments{"./program", "an argument"});
  CHECK(program.stdin_text == std::string("a\0b", 3));
  CHECK(program.run_timeout == std::chrono::seconds(3));
  CHECK(program.compile_timeout == std::nullopt);
  CHECK(program.output_bytes == 1024);
}

TEST_CASE("what is not said has no limit, no compiler and no input") {
  const Program program = parse_program(good().dump());
  CHECK(program.compile.empty());
  CHECK(program.stdin_text.empty());
  CHECK(program.run_timeout == std::nullopt);
  CHECK(program.output_bytes > 0);
}

TEST_CASE("a name stays below the directory of the program") {
  const std::vector<std::pair<std::string, std::string>> names = {
      {"a", "a"},
      {"./a", "a"},
      {"src/./deep/a.c", "src/deep/a.c"},
      {"...", "..."},
      {"a b\n", "a b\n"},
      {"Grüße", "Grüße"},
      {std::string(255, 'n'), std::string(255, 'n')},
  };
  for (const auto& row : names) {
    CAPTURE(row.first);
    CHECK(parse_program(with_names({row.first}).dump()).files.at(0).name == row.second);
  }
}

TEST_CASE("a name that leads elsewhere or is none is refused") {
  const std::vector<std::vector<std::string>> names = {
      {""},
      {"/"},
      {"/etc/passwd"},
      {".."},
      {"../a"},
      {"a/../b"},
      {"a/.."},
      {"."},
      {"./"},
      {"a/."},
      {"a/"},
      {"a//b"},
      {std::string("a\0b", 3)},
      {std::string(256, 'n')},
      {std::string(600, 'n') + "/" + std::string(600, 'n')},
      {"a", "a/b"},
      {"a/b/c", "a/b"},
      {"a/b", "./a"},
  };
  for (const auto& each : names) {
    CAPTURE(each[0]);
    CHECK(code_of(with_names(each).dump()) == "bad_file");
  }
}

TEST_CASE("of files with one name the last one is kept") {
  CHECK(code_of(with_names({"a", "./a"}).dump()) == "none");
}

TEST_CASE("a file has its content in a known encoding") {
  json request = good();
  json& file = request["files"][0];
  file["encoding"] = "base64";
  file["content"] = "AP8=";
  CHECK(parse_program(request.dump()).files[0].content == std::string("\0\xff", 2));
  file["encoding"] = "hex";
  file["content"] = "00ff";
  CHECK(parse_program(request.dump()).files[0].content == std::string("\0\xff", 2));
  file["encoding"] = nullptr;
  CHECK(parse_program(request.dump()).files[0].content == "00ff");
  for (const json& encoding : {json("utf16"), json("hex "), json(7)}) {
    file["encoding"] = encoding;
    CHECK(code_of(request.dump()) == "bad_file");
  }
  file["encoding"] = "base64";
  CHECK(code_of(request.dump()) == "none");
  file["content"] = "*";
  CHECK(code_of(request.dump()) == "bad_file");
  file["content"] = 7;
  CHECK(code_of(request.dump()) == "bad_file");
}

TEST_CASE("what is no program is refused") {
  CHECK(code_of("") == "bad_json");
  CHECK(code_of("{") == "bad_json");
  CHECK(code_of("{\"run\": \"\\ud800\"}") == "bad_json");
  CHECK(code_of(std::string(1 << 20, '[')) == "bad_json");
  for (const char* text : {"[]", "null", "7", "{}", R"({"files": {}})", R"({"files": []})"}) {
    CAPTURE(text);
    CHECK(code_of(text) == "bad_program");
  }
  const std::vector<std::pair<const char*, json>> faults = {
      {"run", nullptr},
      {"run", json::array()},
      {"run", "ls"},
      {"run", {""}},
      {"run", {7}},
      {"run", {std::string("a\0", 2)}},
      {"compile", "cc"},
      {"compile", {""}},
      {"stdin", 7},
      {"run_timeout_ms", -1},
      {"run_timeout_ms", 1.5},
      {"compile_timeout_ms", "1"},
      {"output_bytes", -1},
  };
  for (const auto& [key, value] : faults) {
    json request = good();
    request[key] = value;
    CAPTURE(request.dump());
    CHECK(code_of(request.dump()) == "bad_program");
  }
  json request = good();
  request["files"].push_back(7);
  CHECK(code_of(request.dump()) == "bad_file");
}

}  // namespace
