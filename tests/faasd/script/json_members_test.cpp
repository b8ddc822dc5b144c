#include "faasd/script/json_members.h"

#include <doctest/doctest.h>

#include "faasd/script/bounds.h"

using script::JsonMembers;

TEST_CASE("members are as they were written") {
  const std::string text =
      " { \"a\" : 1234567890123456789012345678901234567890 , \"b\\u0063\":[1, {\"x\": "
      "\"}]\\\"\"}]\n,"
      "\"s\":\"t\\n\",\"t\":true,\"f\" : false,\"n\":null,\"e\":{}} ";
  const auto members = JsonMembers::of(text);
  REQUIRE(members);
  CHECK(members->size() == 7);
  CHECK(members->raw("a") == "1234567890123456789012345678901234567890");
  CHECK(members->raw("bc") == "[1, {\"x\": \"}]\\\"\"}]");
  CHECK(members->text("s") == "t\n");
  CHECK(members->flag("t") == true);
  CHECK(members->flag("f") == false);
  CHECK(members->raw("n") == "null");
  CHECK(members->raw("e") == "{}");
  CHECK(members->raw("none").empty());
  CHECK_FALSE(members->has("none"));
  CHECK_FALSE(members->text("t"));
  CHECK_FALSE(members->flag("s"));
}

TEST_CASE("an empty object has no members") {
  const auto members = JsonMembers::of("{ }");
  REQUIRE(members);
  CHECK(members->size() == 0);
}

TEST_CASE("what is no JSON object, or nests too deep, or says a thing twice, has none") {
  const auto nested = [](std::size_t depth) {
    return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  CHECK(JsonMembers::of(nested(script::bounds::kMaxJsonDepth)));
  CHECK_FALSE(JsonMembers::of(nested(script::bounds::kMaxJsonDepth + 1)));
  CHECK_FALSE(JsonMembers::of(nested(1'000'000)));
  for (const char* text : {"", "[]", "1", "{", "{]", "{\"a\"}", "{\"a\":1,}", "{\"a\":1}x",
                           "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{\"a\":\"\xff\"}",
                           "{\"a\":\"\n\"}", "{\"a\":01}", "{\"a\":NaN}", "\xef\xbb\xbf"}) {
    CAPTURE(text);
    CHECK_FALSE(JsonMembers::of(text));
  }
}

TEST_CASE("more members than mean anything are none") {
  const auto with = [](std::size_t count) {
    std::string text = "{\"0\":0";
    for (std::size_t i = 1; i < count; ++i) text += ",\"" + std::to_string(i) + "\":0";
    return text + "}";
  };
  CHECK(JsonMembers::of(with(script::bounds::kMaxJsonMembers)));
  CHECK_FALSE(JsonMembers::of(with(script::bounds::kMaxJsonMembers + 1)));
}

TEST_CASE("elements and numbers are as they were written") {
  const auto members = JsonMembers::of(
      R"({"a": [ 1 , [2,3] ,"],", {"x":[]}], "none":[ ], "n":-1.5e3, "s":"1", "o":{}})");
  REQUIRE(members);
  using Elements = std::vector<std::string_view>;
  CHECK(members->elements("a", 4) == Elements{"1", "[2,3]", "\"],\"", "{\"x\":[]}"});
  CHECK_FALSE(members->elements("a", 3));
  CHECK(members->elements("none", 0) == Elements{});
  for (const char* key : {"n", "s", "o", "missing"}) CHECK_FALSE(members->elements(key, 4));
  CHECK(members->number("n") == -1500);
  for (const char* key : {"a", "s", "o", "missing"}) CHECK_FALSE(members->number(key));
}

TEST_CASE("a string becomes JSON, whatever is in it") {
  CHECK(script::to_json_string("a\"\n\x01") == R"("a\"\n\u0001")");
  CHECK(script::from_json_string(R"("a\"\n\u0001")") == "a\"\n\x01");
  CHECK(script::to_json_string("\xff") == "\"\xef\xbf\xbd\"");
}
