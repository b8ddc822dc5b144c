#include "oci/sys/version.h"

#include <doctest/doctest.h>

using sys::parse_version;
using sys::Version;

TEST_CASE("versions are read as distributions write them") {
  struct Row {
    const char* text;
    const char* meaning;
  };
  const Row rows[] = {
      {"1.1.12", "1.1.12"},
      {"v1.1.12", "1.1.12"},
      {"1.1.5+ds1", "1.1.5"},
      {"1.1.12-0ubuntu2~22.04.1", "1.1.12"},
      {"1.4.0-rc.2", "1.4.0-rc.2"},
      {"1.0.0-rc93", "1.0.0-rc.93"},
      {"1.0.0~rc93+ds1", "1.0.0-rc.93"},
      {"6.1.0-18-amd64", "6.1.0"},
      {"6.8", "6.8.0"},
      {"5.15.0-91-generic", "5.15.0"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    REQUIRE(parse_version(row.text));
    CHECK(parse_version(row.text)->to_string() == row.meaning);
  }
}

TEST_CASE("what is no version is none") {
  for (const char* text :
       {"", "x", "1", "1.", ".1", "1.x", "1.1.x", "-1.2.3", "1.-2.3", "99999999999.1.1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_version(text));
  }
}

TEST_CASE("versions are ordered, release candidates before their release") {
  const char* const ascending[] = {"1.0.0-rc93", "1.0.0-rc94", "1.0.0",  "1.1.5",
                                   "1.1.12",     "1.2.0-rc.1", "1.2.0",  "1.4.0-rc.2",
                                   "1.4.0-rc.3", "1.4.0",      "1.10.0", "2.0.0"};
  for (std::size_t i = 1; i < std::size(ascending); ++i) {
    CAPTURE(ascending[i]);
    CHECK(*parse_version(ascending[i - 1]) < *parse_version(ascending[i]));
  }
}
