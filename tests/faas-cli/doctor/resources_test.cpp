#include "faas-cli/doctor/resources.h"

#include <doctest/doctest.h>

#include "host_tree.h"
#include "oci/runtime/host_ids.h"

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

TEST_CASE("a range that somebody has been given out of those of functions is found at both ends") {
  const std::uint64_t top = 0xffff'fffe;
  const auto overlaps = [](IdRange range) {
    return doctor::first_overlap({{1, 2}, range}).has_value();
  };
  CHECK_FALSE(overlaps({100'000, runtime::kFirstHighHostId - 1}));
  CHECK_FALSE(overlaps({runtime::kLastSlotHostId + 1ULL, top}));
  CHECK(overlaps({100'000, runtime::kFirstHighHostId}));
  CHECK(overlaps({runtime::kLastSlotHostId, top}));
  CHECK(overlaps({0, top}));
}

TEST_CASE("a host that gave away an id of functions is warned, whoever got it") {
  HostTree tree;
  tree.with("etc/subuid", "alice:100000:65536\n");
  CHECK(doctor::check_user_ids(tree.host()).outcome == Outcome::ok);
  tree.with("etc/subgid", "greedy:1000000:2000000000\n");
  const doctor::Check check = doctor::check_user_ids(tree.host());
  CHECK(check.outcome == Outcome::warn);
  CHECK(check.finding.find("/etc/subgid gives 1000000 to 2000999999") != std::string::npos);
}
