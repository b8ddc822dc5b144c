#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <thread>

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
  for (const char* name : {"layers", "trees", "images", "staging"}) {
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
  std::ofstream(store.state() / "images" / one.image->digest.substr(7) / "image.json")
      << "{\"digest\": 1";
  store.reopen();
  CHECK(code_of_open(store, one.image->digest) == "unknown_image");
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

TEST_CASE("a collection frees images that nobody names, unreadable ones and layers of no image") {
  NEEDS_ROOT();
  Store store;
  const std::string named = store.import(kOne).image->digest;
  const std::string unnamed = store.import(kTwo).image->digest;
  const Outcome held = store.import(docker_save({{file("base")}, {file("held")}}));
  const std::filesystem::path unreadable = store.state() / "images" / std::string(64, 'b');
  std::filesystem::create_directories(unreadable / "rootfs");
  std::ofstream(unreadable / "rootfs/big") << std::string(1 << 20, 'x');
  const std::filesystem::path layer = store.state() / "layers" / std::string(64, 'c');
  std::filesystem::create_directories(layer);
  std::filesystem::create_hard_link(unreadable / "rootfs/big", layer / "big");
  std::filesystem::create_directories(store.state() / "images" / "somebody's own");

  const image::Freed freed = store.store()->collect(std::set<std::string>{named}).get();
  CHECK(freed.images == 2);
  CHECK(freed.layers == 2);  // that of kTwo alone, and that of no image
  // What has two names counts once, and what has one elsewhere not at all.
  CHECK(freed.bytes >= 1 << 20);
  CHECK(freed.bytes < 2 << 20);
  CHECK(entries(store.state() / "staging") == 0);
  CHECK(!std::filesystem::exists(unreadable));
  CHECK(std::filesystem::exists(store.state() / "images" / "somebody's own"));
  CHECK(code_of_open(store, unnamed) == "unknown_image");
  CHECK(fixture::read(store.store()->open(named)->rootfs / "one") == "x");
  CHECK(fixture::read(held.image->rootfs / "held") == "x");
}

TEST_CASE(
    "an image that was collected while somebody held it goes later, unless it is taken back") {
  NEEDS_ROOT();
  Store store;
  Outcome one = store.import(kOne);
  const std::string digest = one.image->digest;
  CHECK(store.store()->collect(std::set<std::string>{}).get().images == 0);
  store.store()->open(digest);  // as a deploy does once its function is recorded
  one.image.reset();
  CHECK(code_of_open(store, digest) == "");
  one.image = store.store()->open(digest);
  CHECK(store.store()->collect(std::set<std::string>{}).get().images == 0);
  one.image.reset();
  CHECK(code_of_open(store, digest) == "unknown_image");
}

TEST_CASE("a collection without names keeps every image that can be read") {
  NEEDS_ROOT();
  Store store;
  const std::string digest = store.import(kOne).image->digest;
  const image::Freed freed = store.store()->collect(std::nullopt).get();
  CHECK(freed.images + freed.layers + freed.bytes == 0);
  CHECK(code_of_open(store, digest) == "");
}

TEST_CASE("a collection in the middle of an import takes nothing of it") {
  NEEDS_ROOT();
  Store store;
  const std::unique_ptr<image::Import> import = store.store()->begin_import();
  import->write(std::string_view(kOne).substr(0, kOne.size() / 2));
  CHECK(store.store()->collect(std::set<std::string>{}).get().layers == 0);
  import->write(std::string_view(kOne).substr(kOne.size() / 2));
  const auto image = import->finish();
  CHECK(fixture::read(image->rootfs / "one") == "x");
}

TEST_CASE("all images but those that are named are released") {
  NEEDS_ROOT();
  Store store;
  const std::string named = store.import(kOne).image->digest;
  const std::string other = store.import(kTwo).image->digest;
  const std::filesystem::path unreadable = store.state() / "images" / std::string(64, 'b');
  std::filesystem::create_directories(unreadable);
  store.store()->release_all_but({named});
  store.store()->settle();
  CHECK(code_of_open(store, named) == "");
  CHECK(code_of_open(store, other) == "unknown_image");
  CHECK(entries(store.state() / "layers") == 2);
  CHECK(std::filesystem::exists(unreadable));  // for people to look at
}

TEST_CASE("imports on their way end when they are stopped, and leave nothing") {
  NEEDS_ROOT();
  Store store;
  const auto code = [](const auto& step) -> std::string {
    try {
      step();
      return "";
    } catch (const sys::Refused& refused) {
      return refused.code();
    }
  };
  auto half_sent = store.store()->begin_import();
  half_sent->write(std::string_view(kOne).substr(0, kOne.size() / 2));
  auto whole = store.store()->begin_import();
  whole->write(kTwo);
  store.store()->stop_imports();
  CHECK(code([&] { half_sent->finish(); }) == "stopping");
  CHECK(code([&] { whole->finish(); }) == "stopping");
  CHECK(code([&] { store.store()->begin_import(); }) == "stopping");
  half_sent.reset();
  whole.reset();
  store.store()->settle();
  for (const char* name : {"layers", "images", "trees", "staging"}) {
    CHECK(entries(store.state() / name) == 0);
  }
}

TEST_CASE("nobody waits for layers that somebody else brings once imports are stopped") {
  NEEDS_ROOT();
  Store store;
  const std::string diff_id = "sha256:" + std::string(64, 'a');
  const image::LayerAnswer first = store.store()->request_layers({diff_id});
  std::thread waiting([&] { CHECK(store.store()->request_layers({diff_id}).missing.size() == 1); });
  store.store()->stop_imports();
  waiting.join();
}
