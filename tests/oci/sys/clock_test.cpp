#include "oci/sys/clock.h"

#include <doctest/doctest.h>

using std::chrono::milliseconds;
using std::chrono::system_clock;

TEST_CASE("a time is written in UTC with milliseconds") {
  const auto epoch = system_clock::from_time_t(0);
  CHECK(sys::rfc3339(epoch) == "1970-01-01T00:00:00.000Z");
  CHECK(sys::rfc3339(epoch + milliseconds(1'700'000'000'007)) == "2023-11-14T22:13:20.007Z");
  CHECK(sys::rfc3339(epoch - milliseconds(1)) == "1969-12-31T23:59:59.999Z");
}
