#include "oci/image/tar_headers.h"

#include <doctest/doctest.h>

#include <string>

#include "oci/image/entry_path.h"
#include "oci/sys/error.h"
#include "tests/oci/image/archive_builder.h"

namespace {

// Feeds the bytes in pieces of `piece`; "ok", "open" if the end mark is missing, or the code.
std::string verdict(const std::string& bytes, std::size_t piece) {
  try {
    image::TarHeaders headers("the archive");
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      headers.feed(std::string_view(bytes).substr(at, piece));
    }
    return headers.complete() ? "ok" : "open";
  } catch (const sys::Refused& refused) {
    return refused.code();
  }
}

}  // namespace

TEST_CASE("headers are followed whatever pieces they come in") {
  builder::Item long_name = builder::file(std::string(300, 'n'), std::string(1500, 'c'));
  const std::string archive = builder::tar({builder::file("a", std::string(513, 'a')), long_name,
                                            builder::directory("d"), builder::soft_link("l", "a")});
  for (const std::size_t piece : {1UL, 7UL, 512UL, 513UL, 100'000UL}) {
    CAPTURE(piece);
    CHECK(verdict(archive, piece) == "ok");
    CHECK(verdict(archive.substr(0, archive.size() - 1024), piece) == "open");
    CHECK(verdict(archive + "x", piece) == "trailing_garbage");
    CHECK(verdict(archive + std::string(9000, '\0'), piece) == "ok");
    CHECK(verdict(builder::tar({builder::owned(builder::file("a"), -1, 0)}), piece) == "bad_owner");
  }
}

TEST_CASE("the first block tells a tar archive from everything else") {
  CHECK(image::is_tar_block(builder::tar({builder::file("{")})));
  CHECK(image::is_tar_block(builder::tar({})));
  CHECK(!image::is_tar_block(std::string(512, ' ')));
  CHECK(!image::is_tar_block("short"));
}

TEST_CASE("a path is normalised by its text alone") {
  CHECK(image::normal_path("/") == "/");
  CHECK(image::normal_path("//a/./b/../c/") == "/a/c");
  CHECK(image::normal_path("/../..") == "/");
  CHECK(image::normal_path("a") == "");
  CHECK(image::normal_path("") == "");
}
