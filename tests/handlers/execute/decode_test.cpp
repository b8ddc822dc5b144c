#include "handlers/execute/decode.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

namespace {

using execute::decode_base64;
using execute::decode_hex;
using Row = std::pair<std::string, std::optional<std::string>>;

TEST_CASE("hexadecimal digits are bytes, and nothing else is") {
  const std::vector<Row> rows = {
      {"", ""},
      {"00ff", std::string("\0\xff", 2)},
      {"4A4b", "JK"},
      {"4", std::nullopt},
      {"4g", std::nullopt},
      {" 4a", std::nullopt},
      {"0x4a", std::nullopt},
  };
  for (const auto& row : rows) {
    CAPTURE(row.first);
    CHECK(decode_hex(row.first) == row.second);
  }
}

TEST_CASE("base64 is decoded in both alphabets, padded or not") {
  const std::vector<Row> rows = {
      {"", ""},
      {"Zg==", "f"},
      {"Zg", "f"},
      {"Zm8=", "fo"},
      {"Zm8", "fo"},
      {"Zm9v", "foo"},
      {"Zm9v\nYmFy\r\n", "foobar"},
      {"Zm9vYmE=", "fooba"},
      {"+/-_", std::string("\xfb\xff\xbf", 3)},
      {"AAAA", std::string(3, '\0')},
      {"Z", std::nullopt},
      {"Zm9vY", std::nullopt},
      {"Zg=", std::nullopt},
      {"Zg===", std::nullopt},
      {"Zm9v=", std::nullopt},
      {"=", std::nullopt},
      {"Zg==Zg==", std::nullopt},
      {"Zm9v*", std::nullopt},
  };
  for (const auto& row : rows) {
    CAPTURE(row.first);
    CHECK(decode_base64(row.first) == row.second);
  }
}

}  // namespace
