#include "faasd/script/sqlite_store.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "oci/sys/error.h"
#include "oci/sys/unique_fd.h"
#include "tests/support/scratch.h"

namespace fs = std::filesystem;
using script::SqliteStore;

namespace {

struct Opened {
  std::string code;
  std::string text;
};

Opened open_and_tell(const fs::path& state_dir) {
  try {
    SqliteStore store(state_dir);
    store.find("a", std::nullopt);
    return {"opened", ""};
  } catch (const sys::Refused& refused) {
    return {refused.code(), refused.what()};
  }
}

void make_store(const fs::path& state_dir, int scripts) {
  SqliteStore store(state_dir);
  for (int i = 0; i < scripts; ++i) {
    store.add({"path/" + std::to_string(i), "python", std::string(2000, 'c'), ""});
  }
}

// Overwrites bytes of the file.
void poke(const fs::path& file, std::size_t offset, const std::string& bytes) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(static_cast<std::streamoff>(offset));
  stream << bytes;
  REQUIRE(stream.good());
}

mode_t mode_of(const fs::path& path) {
  struct stat st {};
  REQUIRE(::lstat(path.c_str(), &st) == 0);
  return st.st_mode & 07777;
}

// Runs `body` in a child process, which ends with what it returns.
template <typename Body>
pid_t in_child(const Body& body) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    int status = 99;
    try {
      status = body();
    } catch (const std::exception& error) {
      const std::string text = std::string(error.what()) + "\n";
      if (::write(STDERR_FILENO, text.data(), text.size()) < 0) status = 98;
    }
    ::_exit(status);
  }
  return pid;
}

}  // namespace

TEST_CASE("scripts are there after the store was closed and opened, for root alone") {
  const support::Scratch scratch;
  std::uint64_t version = 0;
  {
    SqliteStore store(scratch.path());
    version = store.add({"a", "python", "code", "compiled"});
    for (const char* name : {"scripts.db", "scripts.db-wal", "scripts.db-shm"}) {
      CHECK(mode_of(scratch.path() / name) == 0600);
    }
  }
  fs::permissions(scratch.path() / "scripts.db", fs::perms{0644});
  SqliteStore store(scratch.path());
  CHECK(mode_of(scratch.path() / "scripts.db") == 0600);
  CHECK(store.find("a", version)->compiled == "compiled");
}

TEST_CASE("what was added is there although the process was killed the moment add returned") {
  const support::Scratch scratch;
  make_store(scratch.path(), 3);
  sys::Pipe pipe = sys::make_pipe();
  const pid_t child = in_child([&] {
    SqliteStore store(scratch.path());
    const std::uint64_t version = store.add({"killed", "python", "last words", ""});
    if (::write(pipe.write_end.get(), &version, sizeof version) != sizeof version) return 1;
    for (;;) ::pause();
    return 0;
  });
  std::uint64_t version = 0;
  REQUIRE(::read(pipe.read_end.get(), &version, sizeof version) == sizeof version);
  REQUIRE(::kill(child, SIGKILL) == 0);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  SqliteStore store(scratch.path());
  REQUIRE(store.find("killed", version));
  CHECK(store.find("killed", std::nullopt)->code == "last words");
  CHECK(store.list("", 10).size() == 4);
}

TEST_CASE("a file that is no database or a damaged one is named and left as it is") {
  const support::Scratch scratch;
  const fs::path file = scratch.path() / "scripts.db";
  make_store(scratch.path(), 50);
  const auto size = static_cast<std::size_t>(fs::file_size(file));
  REQUIRE(size > 20 * 4096);
  SUBCASE("text") {
    std::ofstream(file) << std::string(5000, '#');
  }
  SUBCASE("a few bytes") {
    std::ofstream(file) << "short";
  }
  SUBCASE("its first page is lost") {
    poke(file, 0, std::string(4096, '\0'));
  }
  SUBCASE("its header is another's") {
    poke(file, 0, "Not an SQLite f");
  }
  SUBCASE("a page of it is rubbish") {
    poke(file, 4096, std::string(4096, '\xff'));
  }
  SUBCASE("all but the first page is rubbish") {
    poke(file, 4096, std::string(size - 4096, '\x5a'));
  }
  SUBCASE("cut off") {
    fs::resize_file(file, size / 2 / 4096 * 4096);
  }
  SUBCASE("another program's") {
    poke(file, 68, std::string(4, '\1'));
  }
  const auto damaged_size = fs::file_size(file);
  const Opened opened = open_and_tell(scratch.path());
  CHECK(opened.code == "corrupt_store");
  CHECK(opened.text.find(file.string()) != std::string::npos);
  CHECK(fs::file_size(file) == damaged_size);
}

TEST_CASE("an empty file is a new store") {
  const support::Scratch scratch;
  { const std::ofstream empty(scratch.path() / "scripts.db"); }
  CHECK(open_and_tell(scratch.path()).code == "opened");
}

TEST_CASE("a file of a later faasd is refused, and says so") {
  const support::Scratch scratch;
  make_store(scratch.path(), 1);
  // user_version, big-endian: sqlite.org/fileformat.html
  poke(scratch.path() / "scripts.db", 60, std::string("\0\0\0\2", 4));
  const Opened opened = open_and_tell(scratch.path());
  CHECK(opened.code == "newer_store");
  CHECK(opened.text.find("format 2, this one knows 1") != std::string::npos);
}

TEST_CASE("while somebody else writes, reading goes on, and writing says who is in the way") {
  const support::Scratch scratch;
  SqliteStore store(scratch.path());
  store.add({"a", "python", "code", ""});
  sqlite3* other = nullptr;
  REQUIRE(::sqlite3_open((scratch.path() / "scripts.db").c_str(), &other) == SQLITE_OK);
  REQUIRE(::sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  CHECK(store.find("a", std::nullopt)->code == "code");
  CHECK(store.list("", 1).size() == 1);
  try {
    store.add({"a", "python", "code", ""});
    FAIL("two cannot write at once");
  } catch (const sys::Refused& refused) {
    CHECK(refused.code() == "store_unavailable");
    CHECK(std::string(refused.what()).find("another process") != std::string::npos);
  }
  REQUIRE(::sqlite3_close(other) == SQLITE_OK);
  store.add({"a", "python", "code 2", ""});
  CHECK(store.find("a", std::nullopt)->code == "code 2");
}

namespace {

// On a disk of its own that has no room for all of this; the number of the check that failed, or 0.
int fill_small_disk(const fs::path& directory) {
  if (::unshare(CLONE_NEWNS) != 0) return 10;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 11;
  if (::mount("tmpfs", directory.c_str(), "tmpfs", 0, "size=4m") != 0) return 12;
  std::ofstream(directory / "others") << std::string(1'500'000, 'z');
  SqliteStore store(directory);
  const std::uint64_t first = store.add({"first", "python", "code", ""});
  std::string code;
  int added = 0;
  try {
    for (; added < 1000; ++added) {
      store.add({std::to_string(added), "python", std::string(30'000, 'x'), ""});
    }
  } catch (const sys::Refused& refused) {
    if (refused.reason() != sys::Refusal::exhausted) return 20;
    code = refused.code();
  }
  if (code != "store_full") return 21;
  if (store.find(std::to_string(added), std::nullopt)) return 22;  // refused is not half there
  if (!store.find("first", first) || store.find("0", std::nullopt)->code.size() != 30'000)
    return 23;
  // When there is room again, it goes on without a restart.
  fs::remove(directory / "others");
  if (!store.remove("0") || store.find("0", std::nullopt)) return 24;
  store.add({"again", "python", std::string(30'000, 'y'), ""});
  return store.find("again", std::nullopt)->code.size() == 30'000 ? 0 : 25;
}

}  // namespace

TEST_CASE(
    "a full disk refuses an upload and keeps what is there, and all goes on when there is room") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: a small disk of its own needs root");
    return;
  }
  const support::Scratch scratch;
  const pid_t child = in_child([&] { return fill_small_disk(scratch.path()); });
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
