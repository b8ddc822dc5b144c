#include "faas-cli/doctor/cgroups.h"

#include <doctest/doctest.h>

#include "host_tree.h"

namespace doctor = cli::doctor;
using doctor::Check;
using doctor::Outcome;

namespace {

std::string v1_mount(const std::string& controller) {
  return "33 31 0:29 / /sys/fs/cgroup/" + controller + " rw - cgroup cgroup rw," + controller +
         "\n";
}
const std::string kV2 = "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
const std::string kHybridV2 = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

}  // namespace

TEST_CASE("pure v2 with all controllers is good") {
  HostTree tree;
  tree.with("proc/self/mountinfo", kV2)
      .with("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids\n");
  const Check check = doctor::check_cgroups(tree.host());
  CHECK(check.outcome == Outcome::ok);
  CHECK(check.finding.starts_with("v2,"));
}

TEST_CASE("v1 and hybrid with all controllers are good") {
  HostTree tree;
  const std::string v1 = v1_mount("cpu") + v1_mount("memory") + v1_mount("pids");
  tree.with("proc/self/mountinfo", v1);
  CHECK(doctor::check_cgroups(tree.host()).finding.starts_with("v1,"));
  tree.with("proc/self/mountinfo", v1 + kHybridV2)
      .with("sys/fs/cgroup/unified/cgroup.controllers", "hugetlb\n");
  const Check check = doctor::check_cgroups(tree.host());
  CHECK(check.outcome == Outcome::ok);
  CHECK(check.finding.find("hybrid") != std::string::npos);
}

TEST_CASE("a v1 tree that only systemd uses beside v2 is v2") {
  HostTree tree;
  tree.with("proc/self/mountinfo",
            kV2 + "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n")
      .with("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n");
  CHECK(doctor::check_cgroups(tree.host()).finding.starts_with("v2,"));
}

TEST_CASE("a missing controller fails with the parameter that brings it") {
  HostTree tree;
  tree.with("proc/self/mountinfo", kV2).with("sys/fs/cgroup/cgroup.controllers", "cpu pids\n");
  const Check check = doctor::check_cgroups(tree.host());
  CHECK(check.outcome == Outcome::fail);
  CHECK(check.remedy.find("cgroup_enable=memory") != std::string::npos);
}

TEST_CASE("no cgroups at all fail") {
  CHECK(doctor::check_cgroups(HostTree().host()).outcome == Outcome::fail);
}
