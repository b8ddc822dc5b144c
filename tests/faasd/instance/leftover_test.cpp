#include "faasd/instance/leftover.h"

#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/scratch.h"

namespace {

std::optional<instance::Receipt> receipt_of(const std::string& config) {
  const support::Scratch scratch;
  const std::filesystem::path bundle = scratch.path() / "0123456789abcdef";
  std::filesystem::create_directory(bundle);
  std::ofstream(bundle / "config.json") << config;
  return instance::receipt_of_leftover(bundle);
}

}  // namespace

TEST_CASE("a bundle that a dead daemon left says whose connection it was") {
  function::Function function;
  function.name = "hello";
  function.version = 3;
  const nlohmann::json config = {{"annotations", instance::marks_of(function, "sha256:00")}};
  const auto receipt = receipt_of(config.dump());
  REQUIRE(receipt.has_value());
  CHECK(receipt->instance == "0123456789abcdef");
  CHECK(receipt->function == "hello");
  CHECK(receipt->version == 3);
  CHECK(receipt->image == "sha256:00");
  CHECK(receipt->outcome == instance::Outcome::signal);
  CHECK(receipt->signal == SIGKILL);
}

TEST_CASE("one that says nothing, or nonsense, has no receipt") {
  for (const std::string config :
       {"", "{", "[]", "{}", R"({"annotations":7})", R"({"annotations":{}})",
        R"({"annotations":{"org.faasd.function":"../a"}})",
        R"({"annotations":{"org.faasd.function":7}})"}) {
    CAPTURE(config);
    CHECK_FALSE(receipt_of(config).has_value());
  }
  CHECK_FALSE(instance::receipt_of_leftover("/nowhere").has_value());
}
