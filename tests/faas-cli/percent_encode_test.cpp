#include <doctest/doctest.h>

#include <string>

#include "faas-cli/daemon_client.h"

TEST_CASE("everything but unreserved characters is percent-encoded") {
  using cli::percent_encode;
  CHECK(percent_encode("hello-1.2_x~") == "hello-1.2_x~");
  CHECK(percent_encode("../a b") == "..%2Fa%20b");
  CHECK(percent_encode("K=1&x=2#?+%") == "K%3D1%26x%3D2%23%3F%2B%25");
  CHECK(percent_encode("\r\nX-Evil: 1") == "%0D%0AX-Evil%3A%201");
  CHECK(percent_encode("\xc3\xa9") == "%C3%A9");
  CHECK(percent_encode(std::string("\0", 1)) == "%00");
}
