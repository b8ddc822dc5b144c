// Directories that images have in common: on the disk once, and for as long as anybody has them.
#include "oci/image/tree_sharing.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "tests/oci/image/archive_builder.h"
#include "tests/oci/image/store_fixture.h"

namespace fs = std::filesystem;
using builder::directory;
using builder::docker_save;
using builder::file;
using fixture::Outcome;
using fixture::Store;

namespace {

using Items = std::vector<builder::Item>;

// `usr/lib` has ten directories, `etc` two.
Items base_layer() {
  Items layer{directory("usr"), directory("usr/lib"), directory("usr/share")};
  for (int i = 0; i < 9; ++i) {
    const std::string name = "usr/lib/d" + std::to_string(i);
    layer.push_back(directory(name));
    layer.push_back(file(name + "/f"));
  }
  layer.push_back(file("usr/share/doc"));
  layer.push_back(directory("etc"));
  layer.push_back(directory("etc/conf.d"));
  layer.push_back(file("etc/passwd"));
  return layer;
}

std::string image_with(const builder::Item& top) {
  return docker_save({base_layer(), {top}});
}

std::set<std::string> paths_of(const image::Image& image) {
  std::set<std::string> paths;
  for (const image::Graft& graft : image.grafts) paths.insert(graft.path);
  return paths;
}

std::set<std::string> names_in(const fs::path& directory) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.insert(entry.path().filename());
  return names;
}

// As a container would see it: every graft in its place.
fixture::Tree whole(const image::Image& image) {
  fixture::Tree tree = fixture::tree_of(image.rootfs);
  for (const image::Graft& graft : image.grafts) {
    for (auto& [path, what] : fixture::tree_of(graft.tree / graft.path)) {
      tree[graft.path + "/" + path] = what;
    }
  }
  return tree;
}

struct Twins {
  Store store;
  Outcome first;
  Outcome second;

  explicit Twins(const builder::Item& top = file("main"))
      : first(store.import(image_with(file("other")))), second(store.import(image_with(top))) {
    REQUIRE(first.image);
    REQUIRE(second.image);
  }

  void release(Outcome& outcome) {
    const std::string digest = outcome.image->digest;
    store.store()->release(digest);
    outcome.image.reset();
    store.store()->settle();
  }
  std::set<std::string> trees() const { return names_in(store.state() / "trees"); }
};

}  // namespace

TEST_CASE("a directory that is the same in a second image is on the disk once") {
  NEEDS_ROOT();
  Twins twins;
  CHECK(twins.first.image->grafts.empty());
  CHECK(paths_of(*twins.second.image) == std::set<std::string>{"usr"});
  CHECK(names_in(twins.second.image->rootfs / "usr").empty());
  CHECK(twins.second.image->grafts[0].tree == twins.first.image->rootfs);

  Store alone;
  const Outcome same = alone.import(image_with(file("main")));
  REQUIRE(same.image);
  CHECK(whole(*twins.second.image) == whole(*same.image));
  twins.store.store()->settle();
  CHECK(names_in(twins.store.state() / "staging").empty());
}

TEST_CASE("what the upper layer changes is its own, what lies beside it is shared") {
  NEEDS_ROOT();
  SUBCASE("a new file") {
    Twins twins(file("usr/share/new"));
    CHECK(paths_of(*twins.second.image) == std::set<std::string>{"usr/lib"});
  }
  SUBCASE("a file replaced") {
    Twins twins(file("usr/lib/d3/f", "other"));
    CHECK(twins.second.image->grafts.empty());
    CHECK(fixture::read(twins.second.image->rootfs / "usr/lib/d3/f") == "other");
    CHECK(fixture::read(twins.first.image->rootfs / "usr/lib/d3/f") != "other");
  }
  SUBCASE("a file removed") {
    Twins twins(file("usr/share/.wh.doc", ""));
    CHECK(paths_of(*twins.second.image) == std::set<std::string>{"usr/lib"});
    CHECK(names_in(twins.second.image->rootfs / "usr/share").empty());
  }
  SUBCASE("the mode of a directory") {
    Twins twins(directory("usr/lib", 0700));
    CHECK(paths_of(*twins.second.image).empty());
    struct stat st {};
    REQUIRE(::stat((twins.second.image->rootfs / "usr/lib").c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0700);
  }
}

TEST_CASE("images without a layer in common share nothing") {
  NEEDS_ROOT();
  Store store;
  const Outcome one = store.import(docker_save({base_layer()}));
  const Outcome two = store.import(docker_save({{file("bottom")}, base_layer()}));
  REQUIRE(two.image);
  CHECK(two.image->grafts.empty());
}

TEST_CASE("a third image shares with where the second one's directory really is") {
  NEEDS_ROOT();
  Twins twins;
  Outcome third = twins.store.import(image_with(file("third")));
  REQUIRE(third.image);
  REQUIRE(third.image->grafts.size() == 1);
  CHECK(third.image->grafts[0].tree == twins.first.image->rootfs);
}

TEST_CASE("what another image shares stays when its own image goes, and nothing else does") {
  NEEDS_ROOT();
  Twins twins;
  const fixture::Tree before = whole(*twins.second.image);
  const fs::path first = twins.first.image->rootfs;
  twins.release(twins.first);
  CHECK(names_in(first) == std::set<std::string>{"usr"});
  CHECK(whole(*twins.second.image) == before);
  CHECK(names_in(twins.store.state() / "layers").size() == 2);

  // The same image again: a tree of its own, beside what is left of the old one.
  twins.first = twins.store.import(image_with(file("other")));
  REQUIRE(twins.first.image);
  CHECK(twins.first.image->rootfs != first);
  CHECK(twins.first.image->grafts[0].tree == first);

  const std::string kept = twins.first.image->digest;
  const std::string other = twins.second.image->digest;
  twins.first.image.reset();
  twins.second.image.reset();
  twins.store.reopen();
  twins.store.store()->settle();
  CHECK(names_in(first) == std::set<std::string>{"usr"});
  CHECK(whole(*twins.store.store()->open(other)) == before);
  twins.store.store()->release_all_but({});
  twins.store.store()->settle();
  CHECK(twins.trees().empty());
  CHECK(names_in(twins.store.state() / "layers").empty());
}

TEST_CASE("a finer graft is all that is kept when the coarser one has gone") {
  NEEDS_ROOT();
  Twins twins;
  Outcome third = twins.store.import(image_with(file("usr/share/new")));
  REQUIRE(third.image);
  const fs::path first = twins.first.image->rootfs;
  twins.release(twins.first);
  CHECK(names_in(first / "usr") == std::set<std::string>{"lib", "share"});
  twins.release(twins.second);
  CHECK(names_in(first / "usr") == std::set<std::string>{"lib"});
  CHECK(names_in(first / "usr/lib").size() == 9);
  twins.release(third);
  CHECK(twins.trees().empty());
}

TEST_CASE(
    "a tree that a crash left half removed, or without an image, is finished off at the start") {
  NEEDS_ROOT();
  Twins twins;
  const fs::path first = twins.first.image->rootfs;
  const std::string other = twins.second.image->digest;
  twins.first.image.reset();
  twins.second.image.reset();
  twins.store.store().reset();
  for (const auto& entry : fs::directory_iterator(twins.store.state() / "images")) {
    if (!entry.path().string().ends_with(other.substr(7))) fs::remove_all(entry.path());
  }
  fs::create_directories(twins.store.state() / "trees/77/half");
  twins.store.reopen();
  twins.store.store()->settle();
  CHECK(names_in(first) == std::set<std::string>{"usr"});
  CHECK(twins.trees().size() == 2);
  CHECK(twins.store.store()->open(other)->grafts.size() == 1);
}

TEST_CASE("an image whose shared directory is gone is set aside, and made whole by an import") {
  NEEDS_ROOT();
  Twins twins;
  const std::string other = twins.second.image->digest;
  const fs::path shared = twins.first.image->rootfs / "usr";
  twins.first.image.reset();
  twins.second.image.reset();
  twins.store.store().reset();
  fs::remove_all(shared);
  twins.store.reopen();
  CHECK_THROWS_AS(twins.store.store()->open(other), sys::Refused);
  Outcome again = twins.store.import(image_with(file("main")));
  REQUIRE(again.image);
  CHECK(again.image->digest == other);
  CHECK(fixture::read(again.image->rootfs / "usr/lib/d0/f") != "");
}
