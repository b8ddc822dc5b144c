#include "oci/sys/cgroup.h"

#include <doctest/doctest.h>

#include <algorithm>

TEST_CASE("the hierarchies of v1, hybrid and v2 hosts are read from mountinfo") {
  const char* text =
      "30 23 0:26 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs ro,mode=755\n"
      "31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
      "32 30 0:28 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n"
      "33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:1 master:2 - cgroup cgroup "
      "rw,cpu,cpuacct\n"
      "34 30 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
      "35 1 8:1 / / rw - ext4 /dev/vda rw\n"
      "garbage\n\n";
  const auto hierarchies = sys::parse_cgroup_mounts(text);
  REQUIRE(hierarchies.size() == 4);
  CHECK(hierarchies[0].v2);
  CHECK(hierarchies[0].mount_point == "/sys/fs/cgroup/unified");
  CHECK(hierarchies[1].controllers == std::vector<std::string>{"memory"});
  CHECK(hierarchies[2].controllers == std::vector<std::string>{"cpu", "cpuacct"});
}

TEST_CASE("an instance that has no cgroup has no members and is removed already") {
  const sys::CgroupTree tree("faasd-unit-test");
  CHECK(tree.members("nobody").empty());
  CHECK(tree.remove("nobody"));
  const auto ids = tree.list();
  CHECK(std::find(ids.begin(), ids.end(), "nobody") == ids.end());
}
