#include "faasd/serve/demand.h"

#include <doctest/doctest.h>

#include "faasd/function/bounds.h"

using namespace std::chrono_literals;
using serve::Demand;

namespace {

constexpr function::Warm kAutomatic{true, 0};
const Demand::Clock::time_point kStart{1000s};

// `count` arrivals, `pause` apart; when the last one was.
Demand::Clock::time_point arrive(Demand& demand, Demand::Clock::time_point from,
                                 std::chrono::milliseconds pause, int count) {
  for (int i = 0; i < count; ++i) demand.arrived(from + i * pause);
  return from + (count - 1) * pause;
}

}  // namespace

TEST_CASE("a fixed number is kept whatever comes") {
  Demand demand({false, 3});
  CHECK(demand.target(kStart) == 3);
  arrive(demand, kStart, 1ms, 1000);
  CHECK(demand.target(kStart + 1h) == 3);
  demand.set({false, 0});
  CHECK(demand.target(kStart + 1h) == 0);
}

TEST_CASE("nobody has come yet: none") {
  const Demand demand(kAutomatic);
  CHECK(demand.target(kStart) == 0);
}

TEST_CASE("one has come: another is expected for a while") {
  Demand demand(kAutomatic);
  demand.arrived(kStart);
  CHECK(demand.target(kStart) == 1);
  CHECK(demand.target(kStart + function::bounds::kFirstKeepAlive) == 1);
  CHECK(demand.target(kStart + function::bounds::kFirstKeepAlive + 1s) == 0);
}

TEST_CASE("the target is the arrivals in the time of a launch, and more") {
  Demand demand(kAutomatic);
  demand.filled(50ms);
  const auto slow = arrive(demand, kStart, 1000ms, 60);
  CHECK(demand.target(slow) <= 2);
  // 200 a second, 50 ms: ten in that time.
  const auto fast = arrive(demand, slow, 5ms, 12'000);
  CHECK(demand.target(fast) >= 10);
  CHECK(demand.target(fast) <= 30);
}

TEST_CASE("a burst is remembered for some launches, and forgotten") {
  Demand demand(kAutomatic);
  demand.filled(50ms);
  auto now = kStart;
  for (int i = 0; i < 5; ++i) now = arrive(demand, now + 1s, 1ms, 20);
  CHECK(demand.target(now + 900ms) >= 20);
  now = arrive(demand, now + 1s, 1000ms, 60);
  CHECK(demand.target(now) <= 3);
}

TEST_CASE("the bound holds") {
  Demand demand(kAutomatic);
  demand.filled(10s);
  const auto now = arrive(demand, kStart, 1ms, 10'000);
  CHECK(demand.target(now) == function::bounds::kMaxWarm);
}

TEST_CASE("a pool is kept for as long as the function's own pauses") {
  Demand often(kAutomatic);
  arrive(often, kStart, 100ms, 50);
  CHECK(often.keep_alive() == function::bounds::kMinKeepAlive);
  Demand each_minute(kAutomatic);
  arrive(each_minute, kStart, 60'000ms, 10);
  CHECK(each_minute.keep_alive() >= 60s);
  CHECK(each_minute.keep_alive() <= 120s);
  Demand seldom(kAutomatic);
  arrive(seldom, kStart, 3'600'000ms, 10);
  CHECK(seldom.keep_alive() == function::bounds::kMinKeepAlive);
}

TEST_CASE("habits may change") {
  Demand demand(kAutomatic);
  const auto now = arrive(demand, kStart, 60'000ms, 100);
  CHECK(demand.keep_alive() >= 60s);
  arrive(demand, now, 100ms, 3'000);
  CHECK(demand.keep_alive() == function::bounds::kMinKeepAlive);
}
