#include "oci/runtime/host_ids.h"

#include <doctest/doctest.h>

#include "oci/sys/error.h"

namespace {

image::ProcessUser user_with(uid_t uid, gid_t gid, std::vector<gid_t> additional = {}) {
  return {uid, gid, std::move(additional), "/"};
}

}  // namespace

TEST_CASE("an ordinary user needs the one range that every function has") {
  const runtime::HostIds ids = runtime::host_ids(3);
  const sys::IdMaps maps = runtime::map_ids(ids, user_with(0, 65'535, {5}));
  REQUIRE(maps.users.size() == 1);
  REQUIRE(maps.groups.size() == 1);
  CHECK(maps.users[0].inside == 0);
  CHECK(maps.users[0].host == runtime::kFirstHostId + 3 * 65'536);
  CHECK(maps.users[0].count == 65'536);
  CHECK(runtime::host_id(maps.users, 1000) == ids.first + 1000);
  CHECK_THROWS_AS(runtime::host_id(maps.users, 65'536), std::out_of_range);
}

TEST_CASE("ids that an image numbers high stand for others than those that it numbers low") {
  const runtime::HostIds ids = runtime::host_ids(0);
  const sys::IdMaps maps =
      runtime::map_ids(ids, user_with(1'000'660'000, 0, {70'000, 65'536, 70'000, 7}));
  CHECK(runtime::host_id(maps.users, 1'000'660'000) == ids.first_high);
  CHECK(maps.users.size() == 2);
  CHECK(maps.groups.size() == 3);
  CHECK(runtime::host_id(maps.groups, 65'536) == ids.first_high);
  CHECK(runtime::host_id(maps.groups, 70'000) == ids.first_high + 1);
  CHECK(runtime::host_id(maps.groups, 7) == ids.first + 7);
}

TEST_CASE("a user in more groups than there are ids for them is refused") {
  std::vector<gid_t> groups;
  for (gid_t group = 100'000; groups.size() < runtime::kHighHostIds; ++group) {
    groups.push_back(group);
  }
  CHECK_NOTHROW(runtime::map_ids(runtime::host_ids(0), user_with(0, 0, groups)));
  groups.push_back(99'999);
  CHECK_THROWS_AS(runtime::map_ids(runtime::host_ids(0), user_with(0, 0, groups)), sys::Refused);
}
