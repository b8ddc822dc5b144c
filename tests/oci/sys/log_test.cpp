#include "oci/sys/log.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using sys::Log;
using sys::LogFormat;

TEST_CASE("plain values stand as they are, all others are quoted") {
  CHECK(Log::format_line(LogFormat::text, "ready", {{"ip", "127.0.0.1"}, {"n", 3}, {"ok", true}}) ==
        "ready ip=127.0.0.1 n=3 ok=true");
  CHECK(Log::format_line(LogFormat::text, "x", {{"v", "two words"}, {"e", ""}}) ==
        "x v=\"two words\" e=\"\"");
}

TEST_CASE("nothing in a value can end the line or forge a field") {
  const char* hostile[] = {
      "a\nready socket=/evil", "a\rb", "a b=c", "\"", "\x1b[2J", "\xff\xfe", "a\0b"};
  for (const char* value : hostile) {
    for (const LogFormat format : {LogFormat::text, LogFormat::json}) {
      const std::string line = Log::format_line(format, "output", {{"line", value}});
      for (const char c : line) CHECK((c >= ' ' && c < 0x7f));
    }
    const std::string json = "{" + Log::format_line(LogFormat::json, "e", {{"v", value}}) + "}";
    CHECK(nlohmann::json::parse(json).size() == 2);
  }
}
