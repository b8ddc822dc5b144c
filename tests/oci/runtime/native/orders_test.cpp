#include "oci/runtime/native/orders.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "oci/runtime/host_ids.h"
#include "oci/runtime/native/native_launcher.h"

using runtime::native::IdRanges;
using runtime::native::LaunchOrder;
using runtime::native::SlotOrder;

namespace {

SlotOrder slot_order() {
  SlotOrder order;
  order.id = "0123456789abcdef";
  order.ids = {{{0, 1'000'000, 65'536}, {100'000, 7, 1}}, {{0, 2'000'000, 65'536}}};
  order.cgroup_v2 = true;
  return order;
}

LaunchOrder launch_order() {
  LaunchOrder order;
  order.args = {"/bin/sh", "-c", ""};
  order.env = {"BYTES=\xff\xfe", std::string("NUL=\0.", 6)};
  order.working_dir = "/srv";
  order.uid = 33;
  order.gid = 34;
  order.groups = {1, 70'000};
  order.limits = {{7, 1024}, {1, ~0ULL}};
  order.tmpfs_options = "size=1";
  order.grafts = {"usr/lib"};
  order.has_executor = true;
  return order;
}

}  // namespace

TEST_CASE("an order is understood as it was meant") {
  const SlotOrder slot = SlotOrder::unpack(slot_order().pack());
  CHECK(slot.pack() == slot_order().pack());
  CHECK(slot.ids.users.at(1).inside == 100'000);
  CHECK(slot.cgroup_v2);
  const LaunchOrder launch = LaunchOrder::unpack(launch_order().pack());
  CHECK(launch.pack() == launch_order().pack());
  CHECK(launch.env == launch_order().env);
  CHECK(launch.groups == launch_order().groups);
  CHECK(launch.limits.at(1).value == ~0ULL);
  CHECK(launch.has_executor);
  CHECK_FALSE(launch.has_snapshot);
  LaunchOrder branch = launch_order();
  branch.has_snapshot = true;
  CHECK(LaunchOrder::unpack(branch.pack()).has_snapshot);
}

TEST_CASE("an order that is cut anywhere, or goes on, is refused") {
  const std::string whole = launch_order().pack();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK_THROWS_AS(LaunchOrder::unpack(whole.substr(0, size)), std::runtime_error);
  }
  CHECK_THROWS_AS(LaunchOrder::unpack(whole + "x"), std::runtime_error);
  CHECK_THROWS_AS(SlotOrder::unpack(slot_order().pack() + "x"), std::runtime_error);
}

TEST_CASE("each slot has a range of ids to itself, and none reaches into a function's") {
  IdRanges ranges;
  CHECK(ranges.take() == 0U);
  CHECK(ranges.take() == 1U);
  ranges.give_back(0);
  CHECK(ranges.take() == 0U);
  for (std::uint32_t range = 2; range < runtime::kSlotIdRanges; ++range) {
    REQUIRE(ranges.take() == range);
  }
  CHECK_FALSE(ranges.has_free());
  CHECK_FALSE(ranges.take());
  CHECK(runtime::slot_host_id(0) > runtime::kLastHostId);
  const std::uint64_t end =
      std::uint64_t{runtime::slot_host_id(runtime::kSlotIdRanges - 1)} + runtime::kHostIds;
  CHECK(end <= 1ULL << 31);
}
