#include "faas-cli/doctor/kernel.h"

#include <doctest/doctest.h>

#include "host_tree.h"

namespace doctor = cli::doctor;
using doctor::Outcome;

TEST_CASE("a kernel without idmapped mounts fails, and one that cannot be read warns") {
  const struct {
    const char* release;
    Outcome outcome;
  } rows[] = {{"5.10.0-28-amd64\n", Outcome::fail},
              {"5.11.22\n", Outcome::fail},
              {"5.12.0\n", Outcome::ok},
              {"6.1.0-18-amd64\n", Outcome::ok},
              {"odd\n", Outcome::warn}};
  for (const auto& row : rows) {
    HostTree tree;
    tree.with("proc/sys/kernel/osrelease", row.release);
    CAPTURE(row.release);
    CHECK(doctor::check_kernel(tree.host()).outcome == row.outcome);
  }
  CHECK(doctor::check_kernel(HostTree().host()).outcome == Outcome::warn);
}

TEST_CASE("seccomp needs filters with user notification") {
  HostTree tree;
  CHECK(doctor::check_seccomp(tree.host()).outcome == Outcome::fail);
  tree.with("proc/sys/kernel/seccomp/actions_avail", "kill_process trap errno allow\n");
  const doctor::Check old = doctor::check_seccomp(tree.host());
  CHECK(old.outcome == Outcome::fail);
  CHECK(old.finding.find("user_notif") != std::string::npos);
  tree.with("proc/sys/kernel/seccomp/actions_avail", "kill_process errno user_notif allow\n");
  CHECK(doctor::check_seccomp(tree.host()).outcome == Outcome::ok);
}

TEST_CASE("a namespace that is missing or forbidden fails by name") {
  HostTree tree;
  for (const char* kind : {"pid", "mnt", "net", "ipc", "uts", "cgroup"}) {
    tree.with(std::string("proc/self/ns/") + kind, "");
  }
  const doctor::Check missing = doctor::check_namespaces(tree.host());
  CHECK(missing.outcome == Outcome::fail);
  CHECK(missing.finding.find("user") != std::string::npos);
  tree.with("proc/self/ns/user", "");
  CHECK(doctor::check_namespaces(tree.host()).outcome == Outcome::ok);
  tree.with("proc/sys/user/max_user_namespaces", "0\n");
  const doctor::Check forbidden = doctor::check_namespaces(tree.host());
  CHECK(forbidden.outcome == Outcome::fail);
  CHECK(forbidden.remedy.find("max_user_namespaces") != std::string::npos);
}
