#include "faasd/function/function_store.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/support/scratch.h"

namespace fs = std::filesystem;

namespace {

function::Function named(const std::string& name) {
  function::Function function;
  function.name = name;
  return function;
}

}  // namespace

TEST_CASE("functions are saved, replaced, loaded in order and removed") {
  const support::Scratch scratch;
  const sys::Log log(sys::LogLevel::error, sys::LogFormat::text);
  const function::FunctionStore store(scratch.path(), log);
  store.save(named("b"));
  store.save(named("a"));
  function::Function again = named("a");
  again.version = 2;
  store.save(again);
  auto loaded = store.load();
  REQUIRE(loaded.size() == 2);
  CHECK(loaded[0].name == "a");
  CHECK(loaded[0].version == 2);
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
  CHECK(loaded[0].name == "good");
  for (const char* name : {"torn", "empty", "other"}) {
    CHECK(fs::exists(directory / (std::string(name) + ".json.corrupt")));
    CHECK_FALSE(fs::exists(directory / (std::string(name) + ".json")));
  }
  CHECK_FALSE(fs::exists(directory / "left.json.tmp"));
}
