#include "faasd/script/semver.h"

#include <doctest/doctest.h>

#include <string>

TEST_CASE("versions are compared by their numbers") {
  CHECK(script::compare_versions("3.9", "3.11") < 0);
  CHECK(script::compare_versions("3.11.2", "3.11.2") == 0);
  CHECK(script::compare_versions("3.11", "3.11.0") == 0);
  CHECK(script::compare_versions("10", "9.9.9") > 0);
  CHECK(script::compare_versions("1.2.3.4", "1.2.3.3") > 0);
}

namespace {

const struct {
  const char* selector;
  const char* version;
  bool selected;
} kTable[] = {
    {"*", "3.11.2", true},
    {"x", "3.11.2", true},
    {"3", "3.11.2", true},
    {"3", "4.0.0", false},
    {"3.11", "3.11.2", true},
    {"3.11.x", "3.11.2", true},
    {"3.11.*", "3.12.0", false},
    {"3.11.2", "3.11.2", true},
    {"v3.11.2", "3.11.2", true},
    {"=3.11.2", "3.11.2", true},
    {"3.11.1", "3.11.2", false},
    {"3.1", "3.11.2", false},
    {"^3.1", "3.11.2", true},
    {"^3.12", "3.11.2", false},
    {"^3.1", "4.0.0", false},
    {"^0.2.3", "0.2.9", true},
    {"^0.2.3", "0.3.0", false},
    {"^0.0.3", "0.0.4", false},
    {"~3.11.1", "3.11.2", true},
    {"~3.11.1", "3.12.0", false},
    {"~3", "3.12.0", true},
    {">=3 <4", "3.11.2", true},
    {">=3 <3.11", "3.11.2", false},
    {">3", "3.11.2", false},
    {">3.10", "3.11.2", true},
    {"<=3.11", "3.11.2", true},
    {"<=3.10", "3.11.2", false},
    {"2 || 3", "3.11.2", true},
    {"2||4", "3.11.2", false},
    {"3", "3", true},
    {"3.0.0", "3", true},
    {"", "3.11.2", true},
    {"latest", "3.11.2", false},
    {"3.a", "3.11.2", false},
    {">=", "3.11.2", false},
    {"99999999999999999999", "3.11.2", false},
    {"3.10.0 - 3.12", "3.11.2", true},
    {"3.11 - 3.12", "3.11.2", true},
    {"3.11.2 - 4", "3.11.2", true},
    {"3.11.3 - 4", "3.11.2", false},
    {"3 - 3.11", "3.11.2", true},
    {"3 - 3.10", "3.11.2", false},
    {"3 - 3.11.1", "3.11.2", false},
    {"* - 3", "3.11.2", true},
    {" 3 - 4 || 5", "3.11.2", true},
    {"3 - 4 <5", "3.11.2", false},
    {"3 - ", "3.11.2", false},
    {"3-4", "3.11.2", false},
    {">= 3.11", "3.11.2", true},
    {">= 3 <  4", "3.11.2", true},
    {"> 3.11", "3.11.2", false},
    {"^ 3.1", "3.11.2", true},
    {"~>3.11", "3.11.2", true},
    {"~> 3.11", "3.11.2", true},
    {"~>3.10", "3.11.2", false},
    {"3\t", "3.11.2", true},
    {">=3.11.2-0", "3.11.2", true},
    {">3.11.2-rc.1", "3.11.2", true},
    {"<=3.11.2-0", "3.11.2", false},
    {"<3.11.3-0", "3.11.2", true},
    {"3.11.2-0", "3.11.2", false},
    {"^3.11.2-0", "3.11.2", true},
    {"3 - 3.11.2-0", "3.11.2", false},
    {">=3.11.2-", "3.11.2", false},
    {">=3.11.2-00", "3.11.2", false},
    {">=3.11-0", "3.11.2", false},
    {"3.11.2+build.01", "3.11.2", true},
    {"3.11.2+", "3.11.2", false},
    {"garbage || 3.x", "3.11.2", false},
    {"3.x || garbage", "3.11.2", false},
    {"|| 4", "3.11.2", true},
    {"03.11.2", "3.11.2", false},
    {"3.011", "3.11.2", false},
    {"3.11.", "3.11.2", false},
    {">4294967295", "3.11.2", false},
    {"<4294967296", "3.11.2", true},
    {">9007199254740991", "3.11.2", false},
    {"<9007199254740992", "3.11.2", false},
    {"><3", "3.11.2", false},
    {"> =3", "3.11.2", true},
    {"*", "2024.01", true},
    {"x.11", "3.11.2", false},
    {"3+build", "3.11.2", true},
    {"2024.1", "2024.01", true},
    {"1.2.3.4", "1.2.3.4", true},
    {"1.2", "1.2.3.4", true},
};

}  // namespace

TEST_CASE("a selector selects as node-semver's ranges do") {
  for (const auto& row : kTable) {
    CAPTURE(row.selector);
    CAPTURE(row.version);
    CHECK(script::selects(row.selector, row.version) == row.selected);
  }
  CHECK(script::selects(std::string(1'023, ' ') + "3", "3.11.2"));
  CHECK_FALSE(script::selects(std::string(1'024, ' ') + "3", "3.11.2"));
}
