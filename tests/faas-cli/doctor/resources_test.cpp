#include "faas-cli/doctor/resources.h"

#include <doctest/doctest.h>

#include "host_tree.h"

namespace doctor = cli::doctor;
using doctor::IdRange;
using doctor::Outcome;

TEST_CASE("little memory is a warning") {
  HostTree tree;
  tree.with("proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable:  8000000 kB\n");
  CHECK(doctor::check_memory(tree.host()).outcome == Outcome::ok);
  tree.with("proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable:  100000 kB\n");
  CHECK(doctor::check_memory(tree.host()).outcome == Outcome::warn);
  tree.with("proc/meminfo", "MemTotal: 9000000 kB\n");
  CHECK(doctor::check_memory(tree.host()).outcome == Outcome::warn);
}

TEST_CASE("the disk is measured where the state will be, though it is not there yet") {
  const HostTree tree;
  const doctor::Check check = doctor::check_disk(tree.host());
  CHECK(check.finding.find(tree.host().root.string()) != std::string::npos);
  CHECK(doctor::check_inodes(tree.host()).finding.find(tree.host().root.string()) !=
        std::string::npos);
}

TEST_CASE("subordinate ids are read, and lines that are none passed over") {
  const auto ranges = doctor::parse_subordinate_ids(
      "alice:100000:65536\nbob:165536:65536\n\n# x\nbad\nx:y:z\ncarol:5:0\nmax:4294967290:65536\n"
      "over:99999999999:1\n");
  REQUIRE(ranges.size() == 3);
  CHECK(ranges[0].first == 100'000);
  CHECK(ranges[0].last == 165'535);
  CHECK(ranges[2].last == 0xffff'fffe);
}

TEST_CASE("the longest free range lies between the taken ones, in any order and overlap") {
  const IdRange all = doctor::longest_free_range({});
  CHECK(all.first == 65'536);
  CHECK(all.last == 0xffff'fffe);
  const IdRange gap = doctor::longest_free_range(
      {{3'000'000'000, 0xffff'fffe}, {65'536, 131'071}, {100'000, 120'000}});
  CHECK(gap.first == 131'072);
  CHECK(gap.last == 2'999'999'999);
  const IdRange none = doctor::longest_free_range({{0, 0xffff'fffe}});
  CHECK(none.last + 1 - none.first == 0);
}

TEST_CASE("a host that gave away nearly all ids warns, and one that gave away all fails") {
  HostTree tree;
  CHECK(doctor::check_user_ids(tree.host()).outcome == Outcome::ok);
  tree.with("etc/subuid", "greedy:1000000:4293000000\n");
  CHECK(doctor::check_user_ids(tree.host()).outcome == Outcome::warn);
  tree.with("etc/subgid", "greedier:65536:934464\nlast:4294000000:967295\n");
  CHECK(doctor::check_user_ids(tree.host()).outcome == Outcome::fail);
}
