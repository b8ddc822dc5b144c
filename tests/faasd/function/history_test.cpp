#include "faasd/function/history.h"

#include <doctest/doctest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "faasd/function/bounds.h"
#include "oci/sys/error.h"

using function::History;
using function::Version;
using nlohmann::json;

namespace {

Version of_image(const std::string& image) {
  Version version;
  version.image = image;
  version.env = {"IMAGE=" + image};
  return version;
}

// Version 1 is of image "1", and so on.
History after(std::uint64_t versions, std::size_t keep) {
  History history;
  history.current.name = "hello";
  history.current.address = {0x7f4d000a};
  static_cast<Version&>(history.current) = of_image("1");
  for (std::uint64_t number = 2; number <= versions; ++number) {
    history = succeed(history, of_image(std::to_string(number)), keep);
  }
  return history;
}

std::vector<std::uint64_t> numbers_of(const History& history) {
  std::vector<std::uint64_t> numbers = {history.current.version};
  for (const Version& version : history.previous) numbers.push_back(version.version);
  return numbers;
}

std::string refusal_of(const std::function<void()>& body, std::string* text = nullptr) {
  try {
    body();
    return "";
  } catch (const sys::Refused& refused) {
    if (text != nullptr) *text = refused.what();
    return refused.code();
  }
}

}  // namespace

TEST_CASE("the latest versions are kept, and the images that they name") {
  const History history = after(5, 3);
  CHECK(numbers_of(history) == std::vector<std::uint64_t>{5, 4, 3});
  CHECK(images_of(history) == std::set<std::string>{"3", "4", "5"});
  CHECK(history.previous[0].env == std::vector<std::string>{"IMAGE=4"});
  CHECK(history.current.name == "hello");
  CHECK(history.current.address.to_string() == "127.77.0.10");
  CHECK(numbers_of(after(5, 1)) == std::vector<std::uint64_t>{5});
  CHECK(numbers_of(after(2, 100)) == std::vector<std::uint64_t>{2, 1});
  // Another limit holds from the next deploy on.
  CHECK(numbers_of(succeed(history, of_image("6"), 2)) == std::vector<std::uint64_t>{6, 5});
}

TEST_CASE(
    "a version is found by its number, and one that is not kept is told from those that are") {
  const History history = after(5, 3);
  CHECK(version_of(history, 3).image == "3");
  CHECK(version_of(history, 5).image == "5");
  CHECK(version_before(history).version == 4);
  std::string text;
  CHECK(refusal_of([&] { version_of(history, 2); }, &text) == "unknown_version");
  CHECK(text.find("5, 4, 3") != std::string::npos);
  CHECK(refusal_of([] { version_before(after(1, 3)); }) == "unknown_version");
}

TEST_CASE("earlier versions that one file has no room for are dropped, the oldest first") {
  Version large;
  large.env = {"A=" + std::string(1 << 20, '\1')};  // 6 MiB of JSON
  History history = after(1, 100);
  for (int i = 0; i < 4; ++i) history = succeed(history, large, 100);
  CHECK(numbers_of(history) == std::vector<std::uint64_t>{5, 4});
  CHECK(to_text(history).size() <= function::bounds::kMaxFunctionFile);
}

TEST_CASE("a history survives its own file") {
  History history = after(4, 3);
  history.current.rollback_of = 2;
  history.previous[0].protocol = function::Protocol::tcp;
  history.previous[1].limits.pids = 7;
  const std::string text = to_text(history);
  const History again = function::history_from_json(json::parse(text));
  CHECK(to_text(again) == text);
  CHECK(again.current.rollback_of == 2);
  CHECK(again.previous[1].limits.pids == 7);
  CHECK(json::parse(text)["previous"][0]["version"] == 3);
}

TEST_CASE("a file from before versions were kept has none but the current") {
  json old = json::parse(to_text(after(3, 3)));
  old.erase("previous");
  CHECK(numbers_of(function::history_from_json(old)) == std::vector<std::uint64_t>{3});
}

TEST_CASE("a file whose versions make no sense is named corrupt") {
  const json good = json::parse(to_text(after(3, 3)));
  CHECK_NOTHROW(function::history_from_json(good));
  const std::vector<std::pair<const char*, std::function<void(json&)>>> rows = {
      {"no list", [](json& file) { file["previous"] = "many"; }},
      {"an object",
       [](json& file) {
         file["previous"] = json{{"0", file["previous"][0]}};
       }},
      {"null", [](json& file) { file["previous"] = nullptr; }},
      {"no version", [](json& file) { file["previous"][1] = 3; }},
      {"a field less", [](json& file) { file["previous"][1].erase("image"); }},
      {"a field of another type", [](json& file) { file["previous"][0]["env"] = "A=b"; }},
      {"later than the current", [](json& file) { file["previous"][0]["version"] = 4; }},
      {"out of order", [](json& file) { std::swap(file["previous"][0], file["previous"][1]); }},
      {"twice", [](json& file) { file["previous"][1] = file["previous"][0]; }},
      {"number 0", [](json& file) { file["previous"][1]["version"] = 0; }},
      {"a negative number", [](json& file) { file["previous"][1]["version"] = -1; }},
      {"a huge current one", [](json& file) { file["version"] = 18446744073709551615ULL; }},
      {"a rollback of itself", [](json& file) { file["rollback_of"] = 3; }},
      {"a rollback of nothing", [](json& file) { file["previous"][0]["rollback_of"] = "x"; }},
      {"too many",
       [](json& file) {
         json one = file["previous"][0];
         file["version"] = 1000;
         file["previous"] = json::array();
         for (int number = 999; number > 899; --number) {
           one["version"] = number;
           file["previous"].push_back(one);
         }
       }},
  };
  for (const auto& row : rows) {
    const auto& what = row.first;
    const auto& spoil = row.second;
    CAPTURE(what);
    json file = good;
    spoil(file);
    CHECK(refusal_of([&] { function::history_from_json(file); }) == "corrupt_function");
  }
}
