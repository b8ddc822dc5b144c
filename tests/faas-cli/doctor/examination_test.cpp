#include "faas-cli/doctor/examination.h"

#include <doctest/doctest.h>

#include "host_tree.h"

namespace doctor = cli::doctor;
using doctor::Check;
using doctor::Outcome;

TEST_CASE("checks are shown aligned, with the remedy below") {
  const std::vector<Check> checks = {{"kernel", Outcome::ok, "Linux 6.1", ""},
                                     {"user ids", Outcome::fail, "none\n", "free some"}};
  CHECK(doctor::examination_text(checks) ==
        "ok    kernel    Linux 6.1\n"
        "fail  user ids  none\\x0a\n"
        "                -> free some\n");
  CHECK(doctor::any_failed(checks));
}

TEST_CASE("the JSON says whether all is well") {
  const cli::Json json = doctor::examination_json({{"disk", Outcome::warn, "f", "r"}});
  CHECK(json["ok"] == true);
  CHECK(json["checks"][0]["outcome"] == "warn");
  CHECK(doctor::examination_json({{"disk", Outcome::fail, "f", "r"}})["ok"] == false);
}

TEST_CASE("a host without anything is examined to the end") {
  HostTree tree;
  cli::Endpoint nowhere;
  nowhere.socket_path = (tree.host().root / "none.sock").string();
  const auto checks = doctor::examine(tree.host(), cli::DaemonClient(nowhere));
  CHECK(checks.size() >= 15);
  CHECK(doctor::any_failed(checks));
  CHECK(checks.back().name == "docker");
}
