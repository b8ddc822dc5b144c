#include "oci/image/image_selection.h"

#include <doctest/doctest.h>

#include "oci/sys/error.h"

using image::matches_platform;
using image::matches_tag;
using image::parse_platform;

TEST_CASE("a tag is known by the names that people and registries have for it") {
  const char* const kFull = "docker.io/library/app:latest";
  for (const char* wanted : {"docker.io/library/app:latest", "app:latest", "app", "latest"}) {
    CHECK_MESSAGE(matches_tag(wanted, kFull), wanted);
  }
  CHECK(matches_tag("app:1", "localhost/app:1"));
  CHECK(matches_tag("1", "app:1"));
  CHECK(matches_tag("1", "1"));
  CHECK(matches_tag("host:5000/app", "host:5000/app:latest"));
  for (const char* other : {"app:1", "library", "docker.io", "", "my/app", "app:"}) {
    CHECK_FALSE_MESSAGE(matches_tag(other, kFull), other);
  }
  CHECK_FALSE(matches_tag("5000/app", "host:5000/app"));
}

TEST_CASE("a platform has an architecture, and maybe a variant, that is asked for or not") {
  CHECK(matches_platform(parse_platform("linux/arm64"), {"linux", "arm64", "v8"}));
  CHECK(matches_platform(parse_platform("linux/arm64/v8"), {"linux", "arm64", "v8"}));
  CHECK_FALSE(matches_platform(parse_platform("linux/arm/v6"), {"linux", "arm", "v7"}));
  CHECK_FALSE(matches_platform(parse_platform("linux/arm"), {"linux", "arm64", ""}));
  CHECK(image::host_platform().os == "linux");
}

TEST_CASE("a selection that can mean nothing is refused before an archive is read") {
  using image::Selection;
  const auto code_of = [](const Selection& selection) -> std::string {
    try {
      image::check_selection(selection);
      return "";
    } catch (const sys::Refused& refused) {
      return refused.code();
    }
  };
  CHECK(code_of({}) == "");
  CHECK(code_of({"registry:5000/a/app:1.2", "linux/arm/v7", "sha256:" + std::string(64, 'a')}) ==
        "");
  for (const char* tag : {"a b", "a\n", "ä", "a?b"}) CHECK(code_of({tag, "", ""}) == "bad_tag");
  CHECK(code_of({std::string(400, 'a'), "", ""}) == "bad_tag");
  for (const char* platform : {"amd64", "windows/amd64", "linux/", "linux//v8", "linux/a b",
                               "linux/arm/v7/x", "linux/arm/"}) {
    CHECK_MESSAGE(code_of({"", platform, ""}) == "bad_platform", platform);
  }
  for (const char* digest : {"abc", "sha256:abc", "sha512:00", "sha256:"}) {
    CHECK(code_of({"", "", digest}) == "bad_digest");
  }
}
