#include "faasd/function/function.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "oci/sys/error.h"

TEST_CASE("names are short, lower-case and cannot be a path") {
  for (const char* good : {"a", "hello", "a-b_c.d", "0", "x0"}) {
    CHECK_NOTHROW(function::check_name(good));
  }
  CHECK_NOTHROW(function::check_name(std::string(64, 'a')));
  const std::string bad[] = {"",         "../x",
                             "a/b",      "A",
                             "-a",       "a-",
                             ".",        "..",
                             ".a",       "a.",
                             "a b",      "a\n",
                             "\xc3\xa4", std::string(65, 'a'),
                             "a%2f",     std::string("a\0b", 3)};
  for (const std::string& name : bad) {
    CAPTURE(name);
    CHECK_THROWS_AS(function::check_name(name), sys::Refused);
  }
}

TEST_CASE("a function survives its own file") {
  function::Function function;
  function.name = "hello";
  function.version = 7;
  function.image = "sha256:00";
  function.address = {0x7f4d000a};
  function.command = {"/hello", "-x"};
  function.env = {"A=1"};
  function.limits.cpus = 0.5;
  function.limits.timeout = std::chrono::milliseconds(1234);
  function.protocol = function::Protocol::tcp;
  function.created_at = "2026-01-01T00:00:00Z";
  const nlohmann::json json = function::to_json(function);
  CHECK(function::to_json(function::function_from_json(json)) == json);
  CHECK(json["ip"] == "127.77.0.10");
}

TEST_CASE("a file of an earlier faasd has the limits that it did not know, by default") {
  function::Function function;
  function.name = "hello";
  nlohmann::json json = function::to_json(function);
  json["limits"].erase("open_files");
  json["limits"].erase("file_size_bytes");
  json["limits"].erase("output_bytes");
  CHECK(function::to_json(function::function_from_json(json)) == function::to_json(function));
}

TEST_CASE("a file that lacks a field, or has one of another type, is named corrupt") {
  const nlohmann::json good = function::to_json([] {
    function::Function function;
    function.name = "hello";
    return function;
  }());
  CHECK_NOTHROW(function::function_from_json(good));
  for (const auto& item : good.items()) {
    const std::string& key = item.key();
    CAPTURE(key);
    nlohmann::json without = good;
    without.erase(key);
    CHECK_THROWS_AS(function::function_from_json(without), sys::Refused);
    nlohmann::json other = good;
    other[key] = nlohmann::json::array({nlohmann::json::object()});
    CHECK_THROWS_AS(function::function_from_json(other), sys::Refused);
  }
  CHECK_THROWS_AS(function::function_from_json(nlohmann::json::array()), sys::Refused);
}
