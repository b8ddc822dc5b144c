#include "faas-cli/doctor/runc.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace doctor = cli::doctor;
using doctor::Check;
using doctor::Outcome;

namespace {

// The numbers of the holes that this version has.
std::string holes_of(const char* version) {
  std::string numbers;
  for (const doctor::Hole& hole : doctor::known_holes()) {
    if (doctor::is_affected(hole, *doctor::parse_version(version))) {
      numbers += (numbers.empty() ? "" : " ") + std::string(hole.id).substr(4);
    }
  }
  return numbers;
}

std::vector<Check> judge(const char* version, const std::optional<doctor::RuncPackage>& package) {
  return doctor::judge_holes(*doctor::parse_version(version), package);
}

}  // namespace

TEST_CASE("every release branch has the holes that its advisories name") {
  const std::string recent = "2025-31133 2025-52565 2025-52881";
  const std::string all = "2024-21626 " + recent;
  struct Row {
    const char* version;
    std::string holes;
  };
  const Row rows[] = {
      {"1.0.0-rc92", recent}, {"1.0.0-rc93", all}, {"1.0.3", all},     {"1.1.5", all},
      {"1.1.11", all},        {"1.1.12", recent},  {"1.1.15", recent}, {"1.2.0-rc.1", recent},
      {"1.2.7", recent},      {"1.2.8", ""},       {"1.2.9", ""},      {"1.3.0", recent},
      {"1.3.2", recent},      {"1.3.3", ""},       {"1.3.4", ""},      {"1.4.0-rc.1", recent},
      {"1.4.0-rc.2", recent}, {"1.4.0-rc.3", ""},  {"1.4.0", ""},      {"1.5.0-rc.1", ""},
      {"2.0.0", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.version);
    CHECK(holes_of(row.version) == row.holes);
  }
}

TEST_CASE("a package that mends a hole without a new version is believed") {
  const doctor::RuncPackage package{"1.1.5+ds1-1+deb12u1",
                                    "  * CVE-2024-21626: several container breakouts\n"};
  const std::vector<Check> checks = judge("1.1.5", package);
  REQUIRE(checks.size() == 4);
  CHECK(checks[0].outcome == Outcome::ok);
  CHECK(checks[0].finding.find("1.1.5+ds1-1+deb12u1") != std::string::npos);
  CHECK(checks[1].outcome == Outcome::warn);
}

TEST_CASE("without a changelog a hole is a hole") {
  CHECK(judge("1.1.5", std::nullopt)[0].outcome == Outcome::fail);
  const Check unknown = judge("1.1.5", doctor::RuncPackage{"1.1.5-1", ""})[0];
  CHECK(unknown.outcome == Outcome::fail);
  CHECK(unknown.finding.find("no changelog") != std::string::npos);
}

TEST_CASE("a runc without known holes says so once") {
  const std::vector<Check> checks = judge("1.3.3", std::nullopt);
  REQUIRE(checks.size() == 1);
  CHECK(checks[0].outcome == Outcome::ok);
}

TEST_CASE("the version is read from runc's answer, and only from runc's") {
  CHECK(doctor::runc_version_text("runc version 1.1.5+ds1\ncommit: x\nspec: 1.0.2\n") ==
        "1.1.5+ds1");
  CHECK_FALSE(doctor::runc_version_text("crun version 1.8.1\n"));
  CHECK_FALSE(doctor::runc_version_text("runc version \n"));
  CHECK_FALSE(doctor::runc_version_text(""));
}
