#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "oci/sys/error.h"
#include "tests/oci/image/archive_builder.h"
#include "tests/oci/image/store_fixture.h"

using builder::docker_save;
using builder::file;
using fixture::Outcome;
using fixture::Store;

namespace {

std::size_t entries(const std::filesystem::path& directory) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(directory), {}));
}

std::string code_of_open(Store& store, const std::string& digest) {
  try {
    store.store()->open(digest);
    return "";
  } catch (const sys::Refused& refused) {
    return refused.code();
  }
}

const std::string kOne = docker_save({{file("base")}, {file("one")}});
const std::string kTwo = docker_save({{file("base")}, {file("two")}});

}  // namespace

TEST_CASE("the store's directories are for root alone") {
  NEEDS_ROOT();
  Store store;
  for (const char* name : {"layers", "images", "staging"}) {
    struct stat st {};
    REQUIRE(::lstat((store.state() / name).c_str(), &st) == 0);
    CHECK(st.st_mode == (S_IFDIR | 0700));
  }
}

TEST_CASE("an image that is released goes when the last pointer to it has gone") {
  NEEDS_ROOT();
  Store store;
  Outcome one = store.import(kOne);
  REQUIRE(one.image);
  const std::string digest = one.image->digest;
  const auto again = store.store()->open(digest);
  CHECK(again == one.image);
  store.store()->release(digest);
  store.store()->settle();
  CHECK(std::filesystem::exists(one.image->rootfs / "one"));
  one.image.reset();
  store.store()->settle();
  CHECK(std::filesystem::exists(again->rootfs / "one"));
}

TEST_CASE("a released image leaves the disk with the layers that nothing else uses") {
  NEEDS_ROOT();
  Store store;
  Outcome one = store.import(kOne);
  Outcome two = store.import(kTwo);
  REQUIRE(one.image);
  REQUIRE(two.image);
  CHECK(entries(store.state() / "layers") == 3);
  const std::string digest = one.image->digest;
  store.store()->release(digest);
  one.image.reset();
  store.store()->settle();
  CHECK(entries(store.state() / "layers") == 2);
  CHECK(entries(store.state() / "images") == 1);
  CHECK(entries(store.state() / "staging") == 0);
  CHECK(fixture::read(two.image->rootfs / "base") == "x");
  CHECK(code_of_open(store, digest) == "unknown_image");
  // With no pointer to it, a release acts at once.
  const std::string second = two.image->digest;
  two.image.reset();
  CHECK(entries(store.state() / "images") == 1);
  store.store()->release(second);
  store.store()->settle();
  CHECK(entries(store.state() / "layers") == 0);
  CHECK(entries(store.state() / "images") == 0);
}

TEST_CASE("an import or an open takes a release back") {
  NEEDS_ROOT();
  Store store;
  Outcome one = store.import(kOne);
  REQUIRE(one.image);
  const std::string digest = one.image->digest;
  store.store()->release(digest);
  CHECK(store.import(kOne).image == one.image);
  one.image.reset();
  store.store()->settle();
  CHECK(code_of_open(store, digest) == "");
  auto image = store.store()->open(digest);
  store.store()->release(digest);
  CHECK(store.store()->open(digest) == image);
  image.reset();
  store.store()->settle();
  CHECK(code_of_open(store, digest) == "");
}

TEST_CASE("a release of an unknown image is nothing, and no digest is a path") {
  NEEDS_ROOT();
  Store store;
  for (const std::string digest : {"", "sha256:", "../../outside", "sha256:../../outside"}) {
    store.store()->release(digest);
    CHECK(code_of_open(store, digest) == "unknown_image");
  }
  CHECK(std::filesystem::exists(store.canary() / "etc/passwd"));
}

TEST_CASE("images survive a restart as they were") {
  NEEDS_ROOT();
  Store store;
  builder::SavedImage saved;
  saved.layers = {builder::tar({file("bin/a", "x", 0755), builder::special("null", '3')})};
  saved.config = {{"Entrypoint", {"/bin/a"}}, {"Cmd", {"b"}},       {"Env", {"A=b", "C=d"}},
                  {"User", "app:staff"},      {"WorkingDir", "/w"}, {"Labels", {{"k", "v"}}}};
  const Outcome before = store.import(docker_save(saved));
  REQUIRE(before.image);
  store.reopen();
  const auto after = store.store()->open(before.image->digest);
  CHECK(after->rootfs == before.image->rootfs);
  CHECK(after->size_bytes == before.image->size_bytes);
  CHECK(after->notes == before.image->notes);
  CHECK(after->config.command() == std::vector<std::string>{"/bin/a", "b"});
  CHECK(after->config.env == std::vector<std::string>{"A=b", "C=d"});
  CHECK(after->config.user == "app:staff");
  CHECK(after->config.working_dir == "/w");
  CHECK(after->config.labels.at("k") == "v");
}

TEST_CASE("a start removes what a crash left half done, and layers that no image uses") {
  NEEDS_ROOT();
  Store store;
  const Outcome one = store.import(kOne);
  REQUIRE(one.image);
  std::filesystem::create_directories(store.state() / "staging/7/unpack/layers/0/deep");
  const std::string orphan(64, 'a');
  std::filesystem::create_directories(store.state() / "layers" / orphan / "usr");
  std::filesystem::create_directories(store.state() / "layers" / "somebody's own");
  store.reopen();
  store.store()->settle();
  CHECK(entries(store.state() / "staging") == 0);
  CHECK(!std::filesystem::exists(store.state() / "layers" / orphan));
  CHECK(std::filesystem::exists(store.state() / "layers" / "somebody's own"));
  CHECK(fixture::read(store.store()->open(one.image->digest)->rootfs / "one") == "x");
}

TEST_CASE("an image that cannot be read is set aside until it is imported again") {
  NEEDS_ROOT();
  Store store;
  const Outcome one = store.import(kOne);
  REQUIRE(one.image);
  std::ofstream(one.image->rootfs.parent_path() / "image.json") << "{\"digest\": 1";
  store.reopen();
  CHECK(code_of_open(store, one.image->digest) == "unknown_image");
  CHECK(std::filesystem::exists(one.image->rootfs / "one"));
  const Outcome again = store.import(kOne);
  CHECK(again.message == "");
  CHECK(fixture::read(store.store()->open(one.image->digest)->rootfs / "one") == "x");
}

TEST_CASE("an image may outlive its store") {
  NEEDS_ROOT();
  std::shared_ptr<const image::Image> image;
  Store store;
  image = store.import(kOne).image;
  REQUIRE(image);
  store.store().reset();
  CHECK(fixture::read(image->rootfs / "one") == "x");
}
