// Archives that other programs wrote; see the README beside them. Each has a clear result.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "tests/oci/image/archive_builder.h"
#include "tests/oci/image/store_fixture.h"

TEST_CASE("archives of other programs are imported, or refused with the reason") {
  NEEDS_ROOT();
  const std::filesystem::path images = std::filesystem::path(SHARED_FIXTURES) / "images";
  if (!std::filesystem::exists(images)) {
    MESSAGE("skipped: there are no fixtures in " << images.string());
    return;
  }
  struct Fixture {
    const char* name;
    const char* code;
    const char* word;  // in the message
  };
  const bool amd64 = builder::host_architecture() == "amd64";
  fixture::Store store;
  for (const Fixture& given :
       {Fixture{"hello-world-v25.tar", amd64 ? "wrong_platform" : "", amd64 ? "linux/arm64" : ""},
        Fixture{"no_manifest.tar", "not_an_image", "manifest.json"},
        Fixture{"test_image_1.tar", amd64 ? "" : "wrong_platform", ""},
        Fixture{"test_link.tar", "ambiguous_image", "test_image_3"}}) {
    const std::string name = given.name;
    CAPTURE(name);
    const fixture::Outcome outcome = store.import(fixture::read(images / name));
    CAPTURE(outcome.message);
    CHECK(outcome.code == given.code);
    CHECK(outcome.message.find(given.word) != std::string::npos);
  }
}
