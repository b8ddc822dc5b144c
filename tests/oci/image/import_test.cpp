#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "oci/image/digest.h"
#include "tests/oci/image/archive_builder.h"
#include "tests/oci/image/store_fixture.h"

using builder::directory;
using builder::docker_save;
using builder::file;
using builder::hard_link;
using builder::owned;
using builder::soft_link;
using fixture::Outcome;
using fixture::read;
using fixture::Store;

namespace {

struct stat stat_of(const std::filesystem::path& path) {
  struct stat st {};
  CHECK(::lstat(path.c_str(), &st) == 0);
  return st;
}

builder::SavedImage hello() {
  builder::SavedImage saved;
  saved.layers = {builder::tar({directory("bin/"), file("bin/hello", "#!", 0755)})};
  saved.config = {{"Cmd", {"/bin/hello"}}, {"Env", {"A=b"}}, {"WorkingDir", "/srv/app"}};
  return saved;
}

}  // namespace

TEST_CASE("a saved image becomes a root filesystem, named by the digest of its config") {
  NEEDS_ROOT();
  Store store;
  const Outcome outcome = store.import(docker_save(hello()));
  REQUIRE(outcome.code == "");
  const image::Image& image = *outcome.image;
  CHECK(image.digest.starts_with("sha256:"));
  CHECK(image.rootfs.parent_path() == store.state() / "trees");
  CHECK(read(image.rootfs / "bin/hello") == "#!");
  CHECK(image.config.command() == std::vector<std::string>{"/bin/hello"});
  CHECK(image.config.env == std::vector<std::string>{"A=b"});
  CHECK(image.size_bytes == 2);
  CHECK(image.notes.empty());
  for (const char* name : {"proc", "sys", "dev", "tmp", "srv/app"}) {
    CHECK(S_ISDIR(stat_of(image.rootfs / name).st_mode));
  }
  CHECK(stat_of(image.rootfs / "tmp").st_mode == (S_IFDIR | 01777));
  CHECK(stat_of(image.rootfs / "control.sock").st_mode == (S_IFREG | 0644));
  CHECK(std::filesystem::exists(store.state() / "images" / image.digest.substr(7) / "image.json"));
}

TEST_CASE("every layout of members is read: any order, gzip layers, blobs, odd pieces") {
  NEEDS_ROOT();
  for (const bool compress : {false, true}) {
    for (const bool blobs : {false, true}) {
      for (const bool first : {false, true}) {
        CAPTURE(compress);
        CAPTURE(blobs);
        CAPTURE(first);
        builder::SavedImage saved = hello();
        saved.compress_layers = compress;
        saved.blobs = blobs;
        saved.manifest_first = first;
        Store store;
        const Outcome outcome = store.import(docker_save(saved), 777);
        CHECK(outcome.message == "");
        REQUIRE(outcome.image);
        CHECK(read(outcome.image->rootfs / "bin/hello") == "#!");
      }
    }
  }
}

TEST_CASE("an archive that is compressed as a whole is read as well") {
  NEEDS_ROOT();
  Store store;
  const std::string archive = docker_save(hello());
  const Outcome plain = store.import(archive);
  const Outcome packed = store.import(builder::gzip(archive));
  CHECK(packed.message == "");
  CHECK(packed.image == plain.image);
}

TEST_CASE("owner, mode, time, attributes and links of a layer are kept") {
  NEEDS_ROOT();
  Store store;
  builder::Item attributed = file("x/attributed");
  attributed.pax = {{"SCHILY.xattr.user.color", "red"},
                    {"SCHILY.xattr.security.capability", "\x01"},
                    {"SCHILY.xattr.trusted.overlay.opaque", "y"},
                    {"mtime", "1234567890.5"}};
  builder::Item linked = owned(soft_link("x/link", "../nowhere"), 7, 8);
  const Outcome outcome = store.import(docker_save({{
      owned(directory("x/", 02750), 1000, 1001),
      owned(file("x/setuid", "s", 04755), 1000, 1001),
      attributed,
      linked,
      hard_link("x/second", "x/setuid"),
      owned(file("x/large-owner"), 4294967294, 3000000000),
  }}));
  REQUIRE(outcome.message == "");
  const auto root = outcome.image->rootfs;
  CHECK(stat_of(root / "x").st_mode == (S_IFDIR | 02750));
  CHECK(stat_of(root / "x").st_uid == 1000);
  CHECK(stat_of(root / "x").st_gid == 1001);
  CHECK(stat_of(root / "x").st_mtim.tv_sec == 1'000'000'000);
  CHECK(stat_of(root / "x/setuid").st_mode == (S_IFREG | 04755));
  CHECK(stat_of(root / "x/setuid").st_ino == stat_of(root / "x/second").st_ino);
  CHECK(stat_of(root / "x/attributed").st_mtim.tv_sec == 1234567890);
  CHECK(stat_of(root / "x/attributed").st_mtim.tv_nsec == 500'000'000);
  CHECK(stat_of(root / "x/link").st_uid == 7);
  CHECK(std::filesystem::read_symlink(root / "x/link") == "../nowhere");
  CHECK(stat_of(root / "x/large-owner").st_uid == 4294967294U);
  CHECK(stat_of(root / "x/large-owner").st_gid == 3000000000U);
  CHECK(outcome.image->notes.size() == 1);
}

TEST_CASE("layers are applied from the lowest up, and delete what they say they delete") {
  NEEDS_ROOT();
  Store store;
  const Outcome outcome = store.import(docker_save({
      {directory("a/"), file("a/one"), file("a/two"), directory("b/"), file("b/old"),
       directory("c/"), file("c/deep"), file("d", "file"), directory("e/"), file("e/inside"),
       soft_link("f", "a")},
      {directory("a/"), file("a/.wh.one", ""), directory("b/"), file("b/.wh..wh..opq", ""),
       file("b/new"), file(".wh.c", ""), directory("d/"), file("d/now-inside"), file("e", "file"),
       directory("f/"), file("f/real")},
      {file("a/three"), file("a/.wh.never-there", "")},
  }));
  REQUIRE(outcome.message == "");
  fixture::Tree tree = fixture::tree_of(outcome.image->rootfs);
  std::vector<std::string> names;
  for (const auto& [name, text] : tree) names.push_back(name);
  CHECK(names == std::vector<std::string>{"a", "a/three", "a/two", "b", "b/new", "control.sock",
                                          "d", "d/now-inside", "dev", "e", "f", "f/real", "proc",
                                          "sys", "tmp"});
  CHECK(read(outcome.image->rootfs / "e") == "file");
  CHECK(outcome.image->size_bytes == 1 + 1 + 1 + 1 + 4 + 1);
}

TEST_CASE("a directory that a layer only passes through keeps what lower layers say about it") {
  NEEDS_ROOT();
  Store store;
  const Outcome outcome = store.import(docker_save({
      {owned(directory("home/", 0700), 5, 6), directory("usr/"), directory("usr/lib/"),
       soft_link("lib", "usr/lib")},
      {file("home/added"), file("lib/library.so"), file("fresh/dir/file")},
  }));
  REQUIRE(outcome.message == "");
  const auto root = outcome.image->rootfs;
  CHECK(stat_of(root / "home").st_mode == (S_IFDIR | 0700));
  CHECK(stat_of(root / "home").st_uid == 5);
  CHECK(stat_of(root / "home").st_mtim.tv_sec == 1'000'000'000);
  CHECK(S_ISLNK(stat_of(root / "lib").st_mode));
  CHECK(read(root / "usr/lib/library.so") == "x");
  CHECK(stat_of(root / "fresh/dir").st_mode == (S_IFDIR | 0755));
}

TEST_CASE("layers are stored once and their files shared") {
  NEEDS_ROOT();
  Store store;
  const std::vector<builder::Item> base = {directory("bin/"), file("bin/big", "content", 0755)};
  const Outcome one = store.import(docker_save({base, {file("one")}}));
  const Outcome two = store.import(docker_save({base, {file("two")}}));
  REQUIRE(one.image);
  REQUIRE(two.image);
  CHECK(one.image->digest != two.image->digest);
  CHECK(stat_of(one.image->rootfs / "bin/big").st_ino ==
        stat_of(two.image->rootfs / "bin/big").st_ino);
  CHECK(std::distance(std::filesystem::directory_iterator(store.state() / "layers"), {}) == 3);
}

TEST_CASE("a layer that stands twice in an image may be a link the second time") {
  NEEDS_ROOT();
  const std::string layer = builder::tar({file("twice")});
  const std::string top = builder::tar({file(".wh.twice", "")});
  builder::SavedImage saved;
  saved.layers = {layer, top, layer};
  const std::string archive = docker_save(saved);
  // The same as docker_save writes it, with a link in the place of the third layer.
  const std::string third = image::sha256_hex("layer 2") + "/layer.tar";
  const std::string first = image::sha256_hex("layer 0") + "/layer.tar";
  const std::string whole = builder::tar_entry(file(third, layer));
  const std::string link = builder::tar_entry(soft_link(third, "../" + first));
  const std::size_t at = archive.find(whole);
  REQUIRE(at != std::string::npos);
  Store store;
  const Outcome outcome =
      store.import(archive.substr(0, at) + link + archive.substr(at + whole.size()));
  CHECK(outcome.message == "");
  REQUIRE(outcome.image);
  CHECK(read(outcome.image->rootfs / "twice") == "x");
}

TEST_CASE("a file with more names than its inode can have twice is copied where need be") {
  NEEDS_ROOT();
  constexpr std::size_t kNames = 33'000;  // ext4 stops at 65,000, and layer and image share them
  std::vector<builder::Item> layer = {file("0", "content")};
  for (std::size_t i = 1; i < kNames; ++i) layer.push_back(hard_link(std::to_string(i), "0"));
  Store store;
  const Outcome outcome = store.import(docker_save(std::vector<std::vector<builder::Item>>{layer}));
  REQUIRE(outcome.message == "");
  CHECK(outcome.image->size_bytes == kNames * 7);
  CHECK(read(outcome.image->rootfs / std::to_string(kNames - 1)) == "content");
  image::Quota small;
  small.unpacked_bytes = 50;
  Store strict(small);
  const Outcome refused =
      strict.import(docker_save(std::vector<std::vector<builder::Item>>{layer}));
  CHECK((refused.code == "too_large" || refused.image));  // other file systems have no such bound
}

TEST_CASE("two imports of one image at once both succeed and make one directory") {
  NEEDS_ROOT();
  Store store;
  const std::string archive = docker_save(hello());
  std::vector<std::shared_ptr<const image::Image>> images(4);
  std::vector<std::thread> threads;
  threads.reserve(images.size());
  for (auto& image : images) {
    threads.emplace_back([&] {
      const auto import = store.store()->begin_import();
      import->write(archive);
      image = import->finish();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& image : images) CHECK(image == images.front());
  CHECK(std::distance(std::filesystem::directory_iterator(store.state() / "images"), {}) == 1);
  store.store()->settle();
  CHECK(std::filesystem::is_empty(store.state() / "staging"));
}

TEST_CASE("an import that is given up halfway leaves nothing, and no process") {
  NEEDS_ROOT();
  Store store;
  const std::size_t descriptors = fixture::open_descriptors();
  const std::string archive = docker_save(hello());
  {
    const auto import = store.store()->begin_import();
    import->write(std::string_view(archive).substr(0, archive.size() / 2));
    CHECK(fixture::children() == 1);
  }
  CHECK(fixture::children() == 0);
  CHECK(fixture::open_descriptors() == descriptors);
  CHECK(std::filesystem::is_empty(store.state() / "staging"));
}
