#include "faasd/script/open_store.h"

#include <doctest/doctest.h>

#include "oci/sys/error.h"
#include "tests/support/scratch.h"

TEST_CASE("the store is what the option says, under a name without a password") {
  const support::Scratch scratch;
  CHECK(script::open_store("sqlite", scratch.path())->name() ==
        (scratch.path() / "scripts.db").string());
  // Nothing listens there, and nothing need: it is reached for when it is used.
  const auto redis = script::open_store("redis://:s3cret@127.0.0.1:1/2", scratch.path());
  CHECK(redis->name() == "redis://127.0.0.1:1/2");
  try {
    redis->find("a", std::nullopt);
    FAIL("nobody can have answered");
  } catch (const sys::Refused& refused) {
    CHECK(refused.reason() == sys::Refusal::unavailable);
    CHECK(refused.code() == "store_unavailable");
    CHECK(std::string(refused.what()).find("redis://127.0.0.1:1/2") != std::string::npos);
    CHECK(std::string(refused.what()).find("Connection refused") != std::string::npos);
    CHECK(std::string(refused.what()).find("s3cret") == std::string::npos);
  }
}

TEST_CASE("an option that names no store is refused, and nothing is made") {
  const support::Scratch scratch;
  for (const char* spec : {"", "SQLite", "sqlite:", "memory", "postgres://:s3cret@host/db",
                           "redis:s3cret", "rediss://:s3cret@host:6379/0"}) {
    CAPTURE(spec);
    for (const bool open : {true, false}) {
      try {
        if (open) script::open_store(spec, scratch.path());
        script::check_store(spec);
        FAIL("it was taken");
      } catch (const sys::Refused& refused) {
        CHECK(refused.reason() == sys::Refusal::invalid);
        CHECK(refused.code() == "bad_store");
        CHECK(std::string(refused.what()).find("redis://") != std::string::npos);
        CHECK(std::string(refused.what()).find("s3cret") == std::string::npos);
      }
    }
  }
  CHECK(std::filesystem::is_empty(scratch.path()));
}
