#include "faas-cli/answer_json.h"

#include <doctest/doctest.h>

#include "faas-cli/failure.h"

using cli::Answer;
using cli::Json;

namespace {

cli::ExitCode exit_code_of(const Answer& answer) {
  try {
    cli::require_object(answer, {});
  } catch (const cli::Failure& failure) {
    return failure.exit_code();
  }
  return cli::ExitCode::done;
}

}  // namespace

TEST_CASE("a refusal carries the daemon's words") {
  CHECK(cli::error_message({404, R"({"error":"no function 'x'","code":"not_found"})"}) ==
        "no function 'x'");
  CHECK(exit_code_of({404, R"({"error":"no"})"}) == cli::ExitCode::refused);
}

TEST_CASE("a refusal of code says where") {
  CHECK(cli::error_message({400, R"({"error":"bad","line":3,"column":9})"}) ==
        "bad (line 3, column 9)");
  CHECK(cli::error_message({400, R"({"error":"bad","line":3})"}) == "bad (line 3)");
  CHECK(cli::error_message({400, R"({"error":"bad","line":"\u001b","column":9})"}) == "bad");
}

TEST_CASE("a refusal without words is told by its status") {
  for (const char* body : {"", "<html>", "[]", "{}", R"({"error":5})", "{\"error\":\"\xff\"}"}) {
    CHECK(cli::error_message({502, body}).find("502") != std::string::npos);
  }
}

TEST_CASE("an answer that is no object does not come from faasd") {
  for (const char* body : {"", "<html>", "[]", "5", "{", "{\"a\":\"\xff\"}"}) {
    CHECK(exit_code_of({200, body}) == cli::ExitCode::no_daemon);
  }
  CHECK(exit_code_of({200, "{}"}) == cli::ExitCode::done);
}

TEST_CASE("JSON keeps the order of its keys and is printed in ASCII") {
  const Json json = Json::parse("{\"b\":1,\"a\":\"\\u001b\xc2\x9b\x7f\"}");
  CHECK(cli::to_text(json) == "{\n  \"b\": 1,\n  \"a\": \"\\u001b\\u009b\\u007f\"\n}\n");
}

TEST_CASE("a field is text whatever its type") {
  const Json json = {{"s", "x"}, {"n", 5}, {"z", nullptr}, {"l", {1, 2}}};
  CHECK(cli::text_of(json, "s") == "x");
  CHECK(cli::text_of(json, "n") == "5");
  CHECK(cli::text_of(json, "z") == "-");
  CHECK(cli::text_of(json, "l") == "[1,2]");
  CHECK(cli::text_of(json, "missing") == "-");
}

TEST_CASE("a field that is no list is an empty one") {
  const Json json = {{"l", {1, 2}}, {"s", "x"}, {"o", Json::object({{"a", 1}})}, {"z", nullptr}};
  CHECK(cli::list_of(json, "l") == Json({1, 2}));
  for (const char* key : {"s", "o", "z", "missing"}) {
    CHECK(cli::list_of(json, key) == Json::array());
  }
}
