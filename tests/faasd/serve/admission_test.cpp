#include "faasd/serve/admission.h"

#include <doctest/doctest.h>

using serve::admit;
using serve::Decision;

namespace {

function::Limits limits(std::uint32_t concurrency, std::uint32_t queue) {
  function::Limits limits;
  limits.concurrency = concurrency;
  limits.queue = queue;
  return limits;
}

constexpr serve::HostBounds kBounds{4, 100, 50, 0, 0, 0, 0, 1'000};

}  // namespace

TEST_CASE("a connection runs, waits or is refused by the counts alone") {
  const struct {
    const char* what;
    function::Limits limits;
    serve::FunctionLoad load;
    serve::HostLoad host;
    Decision decision;
  } table[] = {
      {"an idle function", limits(2, 1), {0, 0}, {0, 0, 0}, Decision::run},
      {"room for one more", limits(2, 1), {1, 0}, {0, 1, 0}, Decision::run},
      {"full, with a queue", limits(2, 1), {2, 0}, {0, 2, 0}, Decision::wait},
      {"full, the queue too", limits(2, 1), {2, 1}, {0, 2, 1}, Decision::refuse},
      {"full, no queue at all", limits(2, 0), {2, 0}, {0, 2, 0}, Decision::refuse},
      {"others wait already: no overtaking", limits(2, 9), {1, 1}, {0, 1, 1}, Decision::wait},
      {"too many launches at once", limits(9, 1), {0, 0}, {4, 4, 0}, Decision::wait},
      {"… but one is parked", limits(9, 1), {0, 0, 1}, {4, 4, 0}, Decision::run},
      {"one is parked, and the limit reached", limits(1, 1), {1, 0, 1}, {0, 1, 0}, Decision::wait},
      {"a burst within the concurrency limit needs no queue",
       limits(64, 0),
       {4, 10},
       {4, 4, 10},
       Decision::wait},
      {"the host has all its instances", limits(200, 1), {100, 0}, {0, 100, 0}, Decision::wait},
      {"the daemon has descriptors for one more",
       limits(200, 1),
       {0, 0},
       {0, 99, 0, 150, 0},
       Decision::run},
      {"the daemon has too few descriptors",
       limits(200, 1),
       {0, 0},
       {0, 99, 0, 150, 1},
       Decision::wait},
      {"… but one is parked", limits(200, 1), {0, 0, 1}, {0, 99, 0, 150, 1}, Decision::run},
      {"the host has all its waiting connections",
       limits(2, 99),
       {2, 50},
       {0, 2, 50},
       Decision::refuse},
  };
  for (const auto& row : table) {
    CAPTURE(row.what);
    CHECK(admit(row.limits, row.load, row.host, kBounds) == row.decision);
  }
}

TEST_CASE("Retry-After grows with the queue and stays within its bounds") {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  CHECK(serve::retry_after(limits(10, 10), {0, 0}, milliseconds(100)) == seconds(1));
  CHECK(serve::retry_after(limits(10, 10), {10, 40}, milliseconds(1000)) == seconds(5));
  CHECK(serve::retry_after(limits(1, 10), {1, 1000}, milliseconds(30'000)) == seconds(60));
}
