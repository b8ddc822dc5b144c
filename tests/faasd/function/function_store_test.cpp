#include "faasd/function/function_store.h"

#include <doctest/doctest.h>

#include <fstream>

#include "oci/sys/error.h"
#include "tests/support/scratch.h"

namespace fs = std::filesystem;

namespace {

function::History named(const std::string& name) {
  function::History history;
  history.current.name = name;
  return history;
}

}  // namespace

TEST_CASE("functions are saved, replaced, loaded in order and removed") {
  const support::Scratch scratch;
  const sys::Log log(sys::LogLevel::error, sys::LogFormat::text);
  const function::FunctionStore store(scratch.path(), log);
  store.save(named("b"));
  store.save(named("a"));
  store.save(function::succeed(named("a"), {}, 3));
  auto loaded = store.load();
  REQUIRE(loaded.size() == 2);
  CHECK(loaded[0].current.name == "a");
  CHECK(loaded[0].current.version == 2);
  REQUIRE(loaded[0].previous.size() == 1);
  CHECK(loaded[0].previous[0].version == 1);
  store.remove("a");
  CHECK(store.load().size() == 1);
}

TEST_CASE("a torn, foreign or misnamed file is set aside, and the others load") {
  const support::Scratch scratch;
  const sys::Log log(sys::LogLevel::error, sys::LogFormat::text);
  const function::FunctionStore store(scratch.path(), log);
  store.save(named("good"));
  const fs::path directory = scratch.path() / "functions";
  std::ofstream(directory / "torn.json") << "{\"name\": \"torn\", \"versi";
  std::ofstream(directory / "empty.json") << "";
  fs::copy_file(directory / "good.json", directory / "other.json");
  std::ofstream(directory / "left.json.tmp") << "half";
  const auto loaded = store.load();
  REQUIRE(loaded.size() == 1);
  CHECK(loaded[0].current.name == "good");
  for (const char* name : {"torn", "empty", "other"}) {
    CHECK(fs::exists(directory / (std::string(name) + ".json.corrupt")));
    CHECK_FALSE(fs::exists(directory / (std::string(name) + ".json")));
  }
  CHECK_FALSE(fs::exists(directory / "left.json.tmp"));
  const std::vector<std::string> set_aside = {"empty.json.corrupt", "other.json.corrupt",
                                              "torn.json.corrupt"};
  CHECK(store.set_aside() == set_aside);
  CHECK(store.load().size() == 1);
  CHECK(store.set_aside() == set_aside);  // as long as they lie there
}

TEST_CASE("what could not be loaded again is not recorded, and the old file stays") {
  const support::Scratch scratch;
  const sys::Log log(sys::LogLevel::error, sys::LogFormat::text);
  const function::FunctionStore store(scratch.path(), log);
  store.save(named("a"));
  function::History large = named("a");
  large.current.version = 2;
  // Each byte becomes six: past any environment that a deploy may bring.
  large.current.env = {"A=" + std::string(3 << 20, '\1')};
  try {
    store.save(large);
    FAIL("recorded");
  } catch (const sys::Refused& refused) {
    CHECK(refused.code() == "function_too_large");
  }
  REQUIRE(store.load().size() == 1);
  CHECK(store.load()[0].current.version == 1);
}
