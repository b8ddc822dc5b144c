// Requires nothing; a snapshot is bytes.
#include "oci/runtime/snapshot.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "handlers/branch/snapshot.h"
#include "oci/sys/error.h"
#include "tests/support/scratch.h"

namespace {

struct Bench {
  support::Scratch scratch;

  runtime::Snapshot make() const {
    const std::filesystem::path code = scratch.path() / "code";
    std::ofstream(code) << "the code";
    return runtime::Snapshot(code);
  }
};

void say(const runtime::Snapshot& snapshot, const std::string& verdict) {
  REQUIRE(::pwrite(snapshot.fd(), verdict.data(), verdict.size(), SNAPSHOT_AT) ==
          static_cast<ssize_t>(verdict.size()));
}

}  // namespace

TEST_CASE("a snapshot begins with the code that is to write it") {
  const runtime::Snapshot snapshot = Bench().make();
  char begin[9] = {};
  CHECK(::pread(snapshot.fd(), begin, 8, 0) == 8);
  CHECK(std::string(begin) == "the code");
}

TEST_CASE("a snapshot that is ready is never written to again") {
  runtime::Snapshot snapshot = Bench().make();
  say(snapshot, "ready");
  snapshot.seal();
  CHECK(::pwrite(snapshot.fd(), "x", 1, 0) == -1);
  CHECK(::ftruncate(snapshot.fd(), 0) == -1);
  CHECK(::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, snapshot.fd(), 0) == MAP_FAILED);
  CHECK(snapshot.memory_bytes() >= 2 * 4096);
}

TEST_CASE("a snapshot is opened anew for each who is to map it, to be read alone") {
  runtime::Snapshot snapshot = Bench().make();
  say(snapshot, "ready");
  REQUIRE(::ftruncate(snapshot.fd(), 4 * SNAPSHOT_AT) == 0);
  snapshot.seal();
  const sys::UniqueFd one = snapshot.open();
  const sys::UniqueFd other = snapshot.open();
  CHECK(::lseek(one.get(), 7, SEEK_SET) == 7);
  CHECK(::lseek(other.get(), 0, SEEK_CUR) == 0);
  CHECK(::fallocate(one.get(), FALLOC_FL_KEEP_SIZE, 0, 4 * SNAPSHOT_AT) == -1);
  struct stat status {};
  REQUIRE(::fstat(one.get(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0);  // nor can its attributes be set, but by the host's root
  CHECK(snapshot.memory_bytes() == 4 * SNAPSHOT_AT);
}

TEST_CASE("a snapshot that somebody can still write to is none") {
  runtime::Snapshot snapshot = Bench().make();
  say(snapshot, "ready");
  void* const hold =
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, snapshot.fd(), SNAPSHOT_AT);
  REQUIRE(hold != MAP_FAILED);
  CHECK_THROWS_AS(snapshot.seal(), std::system_error);
  ::munmap(hold, 4096);
}

TEST_CASE("what a handler says instead is shown, and nothing that a terminal would obey") {
  const Bench bench;
  runtime::Snapshot silent = bench.make();
  CHECK_THROWS_WITH_AS(silent.seal(), "its handler does not know how (docs/PROTOCOL.md)",
                       sys::Refused);
  runtime::Snapshot refusing = bench.make();
  say(refusing, "it has \x1b[31m2 threads\xff\n");
  CHECK_THROWS_WITH_AS(refusing.seal(), "it has ?[31m2 threads??", sys::Refused);
  runtime::Snapshot endless = bench.make();
  say(endless, std::string(SNAPSHOT_VERDICT * 2, 'e'));
  CHECK_THROWS_WITH_AS(endless.seal(), std::string(SNAPSHOT_VERDICT - 1, 'e').c_str(),
                       sys::Refused);
}
