#include "oci/runtime/runc_holes.h"

#include <doctest/doctest.h>

namespace {

// The numbers of the holes that this version has.
std::string holes_of(const char* version) {
  std::string numbers;
  for (const runtime::Hole& hole : runtime::known_holes()) {
    if (runtime::is_affected(hole, *sys::parse_version(version))) {
      numbers += (numbers.empty() ? "" : " ") + std::string(hole.id).substr(4);
    }
  }
  return numbers;
}

std::vector<runtime::FoundHole> find(const char* version,
                                     const std::optional<runtime::RuncPackage>& package) {
  return runtime::find_holes(*sys::parse_version(version), package);
}

}  // namespace

TEST_CASE("every release branch has the holes that its advisories name") {
  const std::string since_2025 = "2025-31133 2025-52565 2025-52881 2026-41579";
  const std::string since_2024 = "2024-45310 " + since_2025;
  const std::string all = "2023-27561 2024-21626 " + since_2024;
  struct Row {
    const char* version;
    std::string holes;
  };
  const Row rows[] = {
      {"1.0.0-rc92", "2023-27561 " + since_2024},
      {"1.0.0-rc93", all},
      {"1.0.3", all},
      {"1.1.4", all},
      {"1.1.5", "2024-21626 " + since_2024},
      {"1.1.11", "2024-21626 " + since_2024},
      {"1.1.12", since_2024},
      {"1.1.13", since_2024},
      {"1.1.14", since_2025},
      {"1.1.15", since_2025},
      {"1.2.0-rc.1", since_2024},
      {"1.2.0-rc.3", since_2025},
      {"1.2.7", since_2025},
      {"1.2.8", "2026-41579"},
      {"1.3.0", since_2025},
      {"1.3.3", "2026-41579"},
      {"1.3.6", ""},
      {"1.4.0-rc.2", since_2025},
      {"1.4.0-rc.3", "2026-41579"},
      {"1.4.3", ""},
      {"1.5.0-rc.2", "2026-41579"},
      {"1.5.0-rc.3", ""},
      {"1.6.0", ""},
      {"2.0.0", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.version);
    CHECK(holes_of(row.version) == row.holes);
  }
}

TEST_CASE("a package that mends a hole without a new version is believed") {
  const runtime::RuncPackage package{"1.1.5+ds1-1+deb12u1",
                                     "  * CVE-2024-21626: several container breakouts\n"};
  const auto found = find("1.1.5", package);
  REQUIRE(found.size() == 6);
  CHECK(found[0].mended);
  CHECK(found[0].remedy.empty());
  CHECK(found[0].finding.find("1.1.5+ds1-1+deb12u1") != std::string::npos);
  CHECK_FALSE(found[1].mended);
  CHECK(found[1].remedy.find("1.1.14, 1.2.0-rc.3 or later") != std::string::npos);
}

TEST_CASE("without a changelog a hole is a hole") {
  CHECK_FALSE(find("1.1.5", std::nullopt)[0].mended);
  const runtime::FoundHole unknown = find("1.1.5", runtime::RuncPackage{"1.1.5-1", ""})[0];
  CHECK_FALSE(unknown.mended);
  CHECK(unknown.finding.find("no changelog") != std::string::npos);
}

TEST_CASE("the version is read from runc's answer, and only from runc's") {
  CHECK(runtime::runc_version_text("runc version 1.1.5+ds1\ncommit: x\nspec: 1.0.2\n") ==
        "1.1.5+ds1");
  CHECK(runtime::runc_version_text("crun version 1.8.1\n").empty());
  CHECK(runtime::runc_version_text("runc version \n").empty());
  CHECK(runtime::runc_version_text("").empty());
}
