// Versions, rollbacks and garbage over the API.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <tuple>

#include "memory_daemon.h"

using api_test::Daemon;
using api_test::is_root;
using api_test::json_of;
using api_test::status_of_answer;
using nlohmann::json;

TEST_CASE("versions are listed and rolled back to, also of functions that are called so") {
  if (!is_root()) return;
  const Daemon daemon;
  for (const std::string name : {"hello", "versions", "rollback", "a.b"}) {
    CAPTURE(name);
    const std::string path = "/v1/functions/" + name;
    CHECK(status_of_answer(daemon.ask("GET", path)) == 404);
    CHECK(status_of_answer(daemon.ask("GET", path + "/versions")) == 404);
    CHECK(status_of_answer(daemon.ask("POST", path + "/rollback")) == 404);
    CHECK(status_of_answer(daemon.ask("PUT", path, "", "tarball")) == 201);
    CHECK(json_of(daemon.ask("GET", path))["name"] == name);
    CHECK(json_of(daemon.ask("GET", path))["kept_versions"] == 1);

    const json back = json_of(daemon.ask("POST", path + "/rollback?version=1"));
    CHECK(back["version"] == 2);
    CHECK(back["rollback_of"] == 1);
    CHECK(status_of_answer(daemon.ask("POST", path + "/rollback")) == 200);

    const json answer = json_of(daemon.ask("GET", path + "/versions"));
    CHECK(answer["name"] == name);
    REQUIRE(answer["versions"].size() == 2);
    CHECK(answer["versions"][0]["version"] == 3);
    CHECK(answer["versions"][0]["current"] == true);
    CHECK(answer["versions"][0]["rollback_of"] == 1);
    CHECK(answer["versions"][1]["current"] == false);
    CHECK(answer["versions"][1]["image"] == back["image"]);
    CHECK_FALSE(answer["versions"][1].contains("rollback_of"));
  }
}

TEST_CASE("a rollback to what is no version, or with anything beside it, is refused") {
  if (!is_root()) return;
  const Daemon daemon;
  CHECK(status_of_answer(daemon.ask("PUT", "/v1/functions/a", "", "tarball")) == 201);
  for (const char* query : {"?version=", "?version=0", "?version=-1", "?version=%2B1",
                            "?version=1x", "?version=1.0", "?version", "?version=1&version=1",
                            "?version=99999999999999999999", "?memory=64M", "?version=1&env=A=b"}) {
    CAPTURE(query);
    CHECK(status_of_answer(daemon.ask("POST", std::string("/v1/functions/a/rollback") + query)) ==
          400);
  }
  const json unknown = json_of(daemon.ask("POST", "/v1/functions/a/rollback?version=9"));
  CHECK(unknown["code"] == "unknown_version");
  CHECK(json_of(daemon.ask("GET", "/v1/functions/a"))["version"] == 1);
  for (const char* path : {"/v1/functions//versions", "/v1/functions/A/versions",
                           "/v1/functions/a/b/versions", "/v1/functions/versions/a"}) {
    CAPTURE(path);
    CHECK(json_of(daemon.ask("GET", path))["code"] == "bad_name");
  }
  CHECK(json_of(daemon.ask("POST", "/v1/functions//rollback"))["code"] == "bad_name");
  for (const auto& [method, suffix, allowed] :
       {std::tuple("POST", "/versions", "GET"), std::tuple("DELETE", "/versions", "GET"),
        std::tuple("GET", "/rollback", "POST"), std::tuple("PUT", "/rollback", "POST")}) {
    const std::string answer = daemon.ask(method, std::string("/v1/functions/a") + suffix);
    CHECK(status_of_answer(answer) == 405);
    CHECK(answer.find(std::string("\r\nAllow: ") + allowed + "\r\n") != std::string::npos);
  }
}

TEST_CASE("a collection of garbage says what the disk got back, and what stood in its way") {
  if (!is_root()) return;
  Daemon daemon;
  daemon.op.garbage.freed = {2, 3, 4096};
  CHECK(json_of(daemon.ask("POST", "/v1/gc")) ==
        json{{"images", 2}, {"layers", 3}, {"bytes", 4096}});
  daemon.op.garbage.unread = {"a.json.corrupt"};
  CHECK(json_of(daemon.ask("POST", "/v1/gc"))["unread"] == json{"a.json.corrupt"});
  CHECK(status_of_answer(daemon.ask("GET", "/v1/gc")) == 405);
  daemon.api->set_ready(false);
  CHECK(status_of_answer(daemon.ask("POST", "/v1/gc")) == 503);
  CHECK(status_of_answer(daemon.ask("POST", "/v1/functions/a/rollback")) == 503);
}
