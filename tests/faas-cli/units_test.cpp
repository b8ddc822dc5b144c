#include "faas-cli/units.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>

TEST_CASE("bytes are shown in the unit that fits") {
  using cli::format_bytes;
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(1023) == "1023 B");
  CHECK(format_bytes(1024) == "1 KiB");
  CHECK(format_bytes(1536) == "1.5 KiB");
  CHECK(format_bytes(256ULL << 20) == "256 MiB");
  CHECK(format_bytes((1ULL << 30) - 1) == "1 GiB");
  CHECK(format_bytes(std::numeric_limits<std::uint64_t>::max()) == "16 EiB");
}

TEST_CASE("times are shown in the unit that fits") {
  using cli::format_milliseconds;
  CHECK(format_milliseconds(0) == "0 ms");
  CHECK(format_milliseconds(999) == "999 ms");
  CHECK(format_milliseconds(1000) == "1 s");
  CHECK(format_milliseconds(1500) == "1.5 s");
  CHECK(format_milliseconds(10'000) == "10 s");
  CHECK(format_milliseconds(90'000) == "90 s");
  CHECK(format_milliseconds(300'000) == "5 min");
}
