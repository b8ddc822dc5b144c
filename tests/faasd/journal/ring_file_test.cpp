#include "faasd/journal/ring_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>
#include <system_error>

#include "tests/support/scratch.h"

namespace {

namespace fs = std::filesystem;
using journal::RingFile;

std::string numbered(int number) {
  return R"({"n":)" + std::to_string(number) + "}";
}

mode_t mode_of(const fs::path& path) {
  struct stat st {};
  REQUIRE(::lstat(path.c_str(), &st) == 0);
  return st.st_mode & 07777;
}

}  // namespace

TEST_CASE("lines come back in order, the last ones first to be kept") {
  const support::Scratch scratch;
  RingFile ring(scratch.path() / "f", "receipts", 1000);
  CHECK(ring.tail(10).empty());
  CHECK_FALSE(fs::exists(scratch.path() / "f"));  // nothing before there is something
  ring.append({numbered(1), numbered(2)});
  ring.append({numbered(3)});
  CHECK(ring.tail(10) == std::vector{numbered(1), numbered(2), numbered(3)});
  CHECK(ring.tail(2) == std::vector{numbered(2), numbered(3)});
  CHECK(ring.tail(0).empty());
  CHECK(mode_of(scratch.path() / "f") == 0700);
  CHECK(mode_of(scratch.path() / "f" / "receipts.jsonl") == 0600);
}

TEST_CASE("two files are never larger than they may be, and always hold the latest") {
  const support::Scratch scratch;
  const fs::path newer = scratch.path() / "f" / "output.jsonl";
  const fs::path older = scratch.path() / "f" / "output.1.jsonl";
  RingFile ring(scratch.path() / "f", "output", 100);
  for (int number = 100; number < 200; ++number) {
    ring.append({numbered(number)});
    CHECK(fs::file_size(newer) <= 100);
    if (fs::exists(older)) CHECK(fs::file_size(older) <= 100);
    CHECK(ring.tail(1).front() == numbered(number));
  }
  CHECK(ring.tail(1000).size() >= 100 / (numbered(100).size() + 1));
  std::vector<std::string> many;
  for (int number = 200; number < 300; ++number) many.push_back(numbered(number));
  ring.append(many);  // more than both files hold, at once
  CHECK(ring.tail(1).front() == numbered(299));
  CHECK(fs::file_size(newer) + fs::file_size(older) <= 200);
  CHECK_THROWS_AS(ring.append({std::string(100, 'x')}), std::system_error);
  ring.append({numbered(300)});
  CHECK(ring.tail(1).front() == numbered(300));
}

TEST_CASE("a line that a crash has cut is left out, and the next one is whole") {
  const support::Scratch scratch;
  for (const char* torn : {"{\"n\":2", "{\"n\":2}garbage\xff", "{", "\n\n{\"n\""}) {
    CAPTURE(torn);
    const fs::path directory = scratch.path() / std::to_string(std::hash<std::string>{}(torn));
    RingFile(directory, "receipts", 1000).append({numbered(1)});
    std::ofstream(directory / "receipts.jsonl", std::ios::app) << torn;
    RingFile after(directory, "receipts", 1000);
    CHECK(after.tail(10) == std::vector{numbered(1)});
    after.append({numbered(3)});
    CHECK(after.tail(10) == std::vector{numbered(1), numbered(3)});
  }
}

TEST_CASE("a link in the place of the file is not followed") {
  const support::Scratch scratch;
  fs::create_directory(scratch.path() / "f");
  fs::create_symlink(scratch.path() / "target", scratch.path() / "f" / "receipts.jsonl");
  RingFile ring(scratch.path() / "f", "receipts", 1000);
  CHECK_THROWS_AS(ring.append({numbered(1)}), std::system_error);
  CHECK_FALSE(fs::exists(scratch.path() / "target"));
}
