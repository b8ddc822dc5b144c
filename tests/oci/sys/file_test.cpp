#include "oci/sys/file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <system_error>

#include "oci/sys/error.h"
#include "tests/support/scratch.h"

namespace fs = std::filesystem;

TEST_CASE("a file written durably is there as a whole, readable by its owner alone") {
  const support::Scratch scratch;
  const fs::path file = scratch.path() / "f.json";
  sys::write_file_durably(file, "one");
  sys::write_file_durably(file, "two");
  CHECK(sys::read_file(file, 100) == "two");
  CHECK((fs::status(file).permissions() & fs::perms::all) ==
        (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(sys::list_directory(scratch.path()) == std::vector<std::string>{"f.json"});
}

TEST_CASE("a file longer than its bound is refused, not cut") {
  const support::Scratch scratch;
  sys::write_file_durably(scratch.path() / "f", std::string(100, 'x'));
  CHECK_THROWS_AS(sys::read_file(scratch.path() / "f", 99), sys::Refused);
  CHECK(sys::read_file(scratch.path() / "f", 100).size() == 100);
}

TEST_CASE("a file that is not there is no error where that is expected") {
  CHECK_FALSE(sys::read_file_if_exists("/nonexistent/file", 10));
  CHECK_THROWS_AS(sys::read_file("/nonexistent/file", 10), std::system_error);
}

TEST_CASE("removing a tree does not follow a link out of it") {
  const support::Scratch scratch;
  fs::create_directories(scratch.path() / "keep");
  std::ofstream(scratch.path() / "keep/file") << "x";
  fs::create_directories(scratch.path() / "tree/a/b");
  fs::create_symlink(scratch.path() / "keep", scratch.path() / "tree/a/link");
  fs::create_directory_symlink("/", scratch.path() / "tree/root");
  sys::remove_tree(scratch.path() / "tree");
  CHECK_FALSE(fs::exists(scratch.path() / "tree"));
  CHECK(fs::exists(scratch.path() / "keep/file"));
}

TEST_CASE("removing a link removes the link") {
  const support::Scratch scratch;
  fs::create_directories(scratch.path() / "keep");
  fs::create_directory_symlink(scratch.path() / "keep", scratch.path() / "link");
  sys::remove_tree(scratch.path() / "link");
  CHECK(fs::exists(scratch.path() / "keep"));
  CHECK_FALSE(fs::exists(fs::symlink_status(scratch.path() / "link")));
}

TEST_CASE("removing a tree counts what the disk gets back, and no file that lives on elsewhere") {
  const support::Scratch scratch;
  constexpr std::uint64_t kBytes = 1 << 20;
  fs::create_directories(scratch.path() / "tree/sub");
  for (const char* name : {"one", "two"}) {
    std::ofstream(scratch.path() / "tree" / name) << std::string(kBytes, 'x');
  }
  fs::create_hard_link(scratch.path() / "tree/one", scratch.path() / "tree/sub/again");
  fs::create_hard_link(scratch.path() / "tree/two", scratch.path() / "kept");
  std::uint64_t freed = 0;
  sys::remove_tree(scratch.path() / "tree", &freed);
  CHECK(freed >= kBytes);
  CHECK(freed < 2 * kBytes);
  sys::remove_tree(scratch.path() / "kept", &freed);
  CHECK(freed >= 2 * kBytes);
}

TEST_CASE("a tree deeper than any path name is removed with few descriptors") {
  const support::Scratch scratch;
  sys::UniqueFd level = sys::open_directory(scratch.path());
  REQUIRE(::mkdirat(level.get(), "tree", 0700) == 0);
  for (int depth = 0; depth < 3000; ++depth) {
    level = sys::UniqueFd(::openat(level.get(), depth == 0 ? "tree" : "d", O_DIRECTORY));
    REQUIRE(::mkdirat(level.get(), "d", 0700) == 0);
  }
  sys::remove_tree(scratch.path() / "tree");
  CHECK_FALSE(fs::exists(scratch.path() / "tree"));
}

TEST_CASE("a tree cannot choose the names that removing it needs") {
  const support::Scratch scratch;
  const fs::path tree = scratch.path() / "tree";
  for (int i = 0; i < 20; ++i) {
    fs::create_directories(tree / (".deep-" + std::to_string(i)) / "x");
    fs::path deep = tree / std::string(1, static_cast<char>('a' + i));
    for (int depth = 0; depth < 100; ++depth) deep /= "d";
    fs::create_directories(deep);
  }
  sys::remove_tree(tree);
  CHECK_FALSE(fs::exists(tree));
}

TEST_CASE("a directory that others can change is not private, wherever on the way") {
  const support::Scratch scratch;
  const fs::path inner = scratch.path() / "outer/inner";
  fs::create_directories(inner);
  CHECK_NOTHROW(sys::check_private_directory(inner));
  fs::permissions(inner, fs::perms::all);
  CHECK_THROWS_AS(sys::check_private_directory(inner), sys::Refused);
  fs::permissions(inner, fs::perms::all | fs::perms::sticky_bit);
  CHECK_THROWS_AS(sys::check_private_directory(inner), sys::Refused);
  fs::permissions(inner, fs::perms::owner_all);
  fs::permissions(inner.parent_path(), fs::perms::all);
  CHECK_THROWS_AS(sys::check_private_directory(inner), sys::Refused);
  fs::permissions(inner.parent_path(), fs::perms::all | fs::perms::sticky_bit);
  CHECK_NOTHROW(sys::check_private_directory(inner));
  if (::geteuid() == 0) {
    REQUIRE(::chown(inner.parent_path().c_str(), 65534, 65534) == 0);
    CHECK_THROWS_AS(sys::check_private_directory(inner), sys::Refused);
  }
}

TEST_CASE("open_in_root resolves every link inside the root") {
  const support::Scratch scratch;
  fs::create_directories(scratch.path() / "etc");
  std::ofstream(scratch.path() / "etc/passwd") << "inside";
  fs::create_symlink("/etc/passwd", scratch.path() / "absolute");
  fs::create_symlink("../../../../etc/passwd", scratch.path() / "climbing");
  fs::create_symlink("loop", scratch.path() / "loop");
  const sys::UniqueFd root = sys::open_directory(scratch.path());
  for (const char* path : {"absolute", "climbing", "/etc/passwd", "../etc/passwd"}) {
    const auto fd = sys::open_in_root(root.get(), path, O_RDONLY);
    REQUIRE(fd);
    CHECK(sys::read_fd(fd->get(), 100, path) == "inside");
  }
  CHECK_FALSE(sys::open_in_root(root.get(), "loop", O_RDONLY));
  CHECK_FALSE(sys::open_in_root(root.get(), "missing", O_RDONLY));
}

TEST_CASE("a second holder of a lock is told who the first one is") {
  const support::Scratch scratch;
  const sys::LockFile first(scratch.path() / "lock");
  try {
    const sys::LockFile second(scratch.path() / "lock");
    FAIL("the lock was given twice");
  } catch (const sys::Refused& refused) {
    CHECK(refused.reason() == sys::Refusal::conflict);
    CHECK(std::string(refused.what()).find(std::to_string(::getpid())) != std::string::npos);
  }
}

TEST_CASE("a directory that was there keeps its mode, a new one gets the one asked for") {
  const support::Scratch scratch;
  fs::create_directory(scratch.path() / "old");
  fs::permissions(scratch.path() / "old", fs::perms::all);
  sys::make_directory(scratch.path() / "old", 0700);
  sys::make_directory(scratch.path() / "new/deep", 0700);
  CHECK((fs::status(scratch.path() / "old").permissions() & fs::perms::all) == fs::perms::all);
  CHECK((fs::status(scratch.path() / "new/deep").permissions() & fs::perms::all) ==
        fs::perms::owner_all);
}
