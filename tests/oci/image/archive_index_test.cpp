#include "oci/image/archive_index.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "archive_builder.h"
#include "oci/image/image_plan.h"
#include "oci/sys/unique_fd.h"
#include "store_fixture.h"

using builder::docker_save;
using builder::file;

namespace {

struct File {
  explicit File(const std::string& bytes) : path(directory.path() / "x.tar") {
    std::ofstream(path, std::ios::binary) << bytes;
    fd = sys::UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  fixture::TemporaryDirectory directory;
  std::filesystem::path path;
  sys::UniqueFd fd;
};

// What a sender of all members would send.
std::string content_of(const image::ArchiveIndex& index, const std::string& archive) {
  std::string bytes;
  for (const image::ArchiveMember& member : index.members) {
    for (const image::ArchivePiece& piece : member.pieces) {
      if (!piece.bytes.empty() || piece.size == 0) {
        bytes += piece.bytes;
      } else {
        const std::string whole = piece.file.empty() ? archive : fixture::read(piece.file);
        bytes += whole.substr(piece.offset, piece.size);
      }
    }
  }
  return bytes + image::ArchiveIndex::end_mark().bytes;
}

}  // namespace

TEST_CASE("the members of a tar are the tar, and its documents lead to the image") {
  builder::Item long_name = file(std::string(150, 'n') + "/" + std::string(90, 'm'), "long");
  for (const std::string& archive :
       {docker_save({{file("a")}, {file("b", std::string(3'000'000, 'b'))}}),
        docker_save({{long_name}})}) {
    const File given(archive);
    const auto index = image::index_tar(given.fd.get());
    REQUIRE(index);
    CHECK(content_of(*index, archive) == archive);
    CHECK(::lseek(given.fd.get(), 0, SEEK_CUR) == 0);
    const image::ImagePlan plan = image::plan_image(index->report, {});
    for (const image::PlannedLayer& layer : plan.layers) {
      CHECK(std::any_of(index->members.begin(), index->members.end(),
                        [&](const auto& member) { return member.path == layer.path; }));
    }
  }
}

TEST_CASE("what is no whole plain tar has no index, and is sent as it is") {
  const std::string archive = docker_save({{file("a", std::string(100'000, 'a'))}});
  for (const std::string& given :
       {std::string(), std::string("x"), std::string(5000, '\0'), builder::gzip(archive),
        archive.substr(0, archive.size() / 2), archive.substr(0, archive.size() - 1024),
        archive + "junk", archive + std::string(1 << 20, '\0'), "junk" + archive}) {
    CHECK_FALSE(image::index_tar(File(given).fd.get()));
  }
  const File given(archive);
  CHECK(::lseek(given.fd.get(), 512, SEEK_SET) == 512);
  CHECK_FALSE(image::index_tar(given.fd.get()));
}

TEST_CASE("a layout's directory becomes a tar") {
  const fixture::TemporaryDirectory directory;
  const auto& root = directory.path();
  CHECK_FALSE(image::index_layout(root));
  std::filesystem::create_directories(root / "blobs/sha256");
  std::ofstream(root / "oci-layout") << R"({"imageLayoutVersion":"1.0.0"})";
  std::ofstream(root / "index.json") << R"({"manifests":[]})";
  const std::string name(64, 'a');
  std::ofstream(root / "blobs/sha256" / name) << std::string(700, 'x');
  const auto index = image::index_layout(root);
  REQUIRE(index);
  CHECK(index->members.size() == 3);
  CHECK(index->report.documents.at("index.json") == R"({"manifests":[]})");

  const File tar(content_of(*index, ""));
  const auto again = image::index_tar(tar.fd.get());
  REQUIRE(again);
  CHECK(again->members.back().path == "blobs/sha256/" + name);
  CHECK(again->members.back().size == 700);
}
