#include "faasd/script/scripts.h"

#include <doctest/doctest.h>

#include "oci/sys/error.h"

TEST_CASE("a path is one that a URL can have") {
  for (const char* path : {"a", "a/b.py", "/a", "a//b", ".a", "a.", "a/.b/c", "ä ?#%", "a/b/"}) {
    CAPTURE(path);
    CHECK(script::check_path(path) == path);
  }
  for (const std::string& path :
       {std::string(), std::string("."), std::string("./a"), std::string("a/."),
        std::string("a/./b"), std::string("..") + "/a", std::string("a..b"), std::string("a\0b", 3),
        std::string(1'001, 'x')}) {
    CAPTURE(path);
    CHECK_THROWS_AS(script::check_path(path), sys::Refused);
  }
}
