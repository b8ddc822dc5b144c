// Receipts, output and metrics over the API, as they are and as they come.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "faasd/function/bounds.h"
#include "memory_daemon.h"

using api_test::connect_unix;
using api_test::Daemon;
using api_test::is_root;
using api_test::json_of;
using api_test::receive_all;
using api_test::receive_until;
using api_test::send_text;
using api_test::status_of_answer;
using nlohmann::json;

namespace {

void add(const Daemon& daemon, const std::string& name, journal::Kind kind, int number) {
  daemon.op.journal->book(name)->add(kind, 10, [number] {
    return nlohmann::ordered_json{{"n", number}};
  });
}

sys::UniqueFd follow(const Daemon& daemon, const std::string& target,
                     const std::string& headers = "") {
  sys::UniqueFd fd = connect_unix(daemon.directory.path() / "api.sock");
  REQUIRE(send_text(fd.get(), Daemon::request("GET", target, headers, "")));
  return fd;
}

}  // namespace

TEST_CASE("receipts and logs are arrays, and other things are asked of functions called so") {
  if (!is_root()) return;
  const Daemon daemon;
  for (const std::string name : {"hello", "logs", "receipts"}) {
    const std::string path = "/v1/functions/" + name;
    CHECK(status_of_answer(daemon.ask("GET", path + "/receipts")) == 404);
    CHECK(status_of_answer(daemon.ask("PUT", path, "", "tarball")) == 201);
    CHECK(json_of(daemon.ask("GET", path))["name"] == name);
    CHECK(json_of(daemon.ask("GET", path + "/receipts")) == json::array());
    for (int number : {1, 2, 3}) add(daemon, name, journal::Kind::receipts, number);
    add(daemon, name, journal::Kind::output, 4);
    const json receipts = json_of(daemon.ask("GET", path + "/receipts?tail=2"));
    CHECK(receipts == json::parse(R"([{"id":2,"n":2},{"id":3,"n":3}])"));
    CHECK(json_of(daemon.ask("GET", path + "/logs")) == json::parse(R"([{"id":1,"n":4}])"));
  }
}

TEST_CASE("options that mean nothing are refused") {
  if (!is_root()) return;
  const Daemon daemon;
  CHECK(status_of_answer(daemon.ask("PUT", "/v1/functions/hello", "", "tarball")) == 201);
  for (const char* query : {"?tail=-1", "?tail=x", "?tail=10001", "?tail=", "?tail=1&tail=2",
                            "?follow=2", "?follow=yes", "?since=1"}) {
    CAPTURE(query);
    CHECK(status_of_answer(daemon.ask("GET", "/v1/functions/hello/logs" + std::string(query))) ==
          400);
  }
  CHECK(status_of_answer(daemon.ask("GET", "/v1/functions/..%2Fx/logs")) == 400);
  CHECK(status_of_answer(daemon.ask("POST", "/v1/functions/hello/logs")) == 405);
}

TEST_CASE("a follower hears what there is and what comes, until the function is removed") {
  if (!is_root()) return;
  const Daemon daemon;
  CHECK(status_of_answer(daemon.ask("PUT", "/v1/functions/hello", "", "tarball")) == 201);
  add(daemon, "hello", journal::Kind::receipts, 1);
  const sys::UniqueFd fd = follow(daemon, "/v1/functions/hello/receipts?follow=1");
  const std::string first = receive_until(fd.get(), "\"n\":1}\n\n");
  CHECK(status_of_answer(first) == 200);
  CHECK(first.find("text/event-stream") != std::string::npos);
  CHECK(first.find("id: 1\ndata: {\"id\":1,\"n\":1}\n\n") != std::string::npos);
  add(daemon, "hello", journal::Kind::receipts, 2);
  receive_until(fd.get(), "id: 2\ndata: {\"id\":2,\"n\":2}\n\n");
  const sys::UniqueFd again =
      follow(daemon, "/v1/functions/hello/receipts?follow=1", "Last-Event-ID: 1\r\n");
  CHECK(receive_until(again.get(), "\"n\":2}").find("\"n\":1}") == std::string::npos);
  daemon.op.journal->remove("hello");
  CHECK(receive_all(fd.get()) == "event: end\ndata: removed\n\n");
}

TEST_CASE("followers have a limit, leave room for others, and give it back when they go") {
  if (!is_root()) return;
  const Daemon daemon;
  const std::string target = "/v1/functions/hello/logs?follow=1";
  CHECK(status_of_answer(daemon.ask("PUT", "/v1/functions/hello", "", "tarball")) == 201);
  add(daemon, "hello", journal::Kind::output, 1);
  std::vector<sys::UniqueFd> followers;
  for (std::size_t i = 0; i < function::bounds::kMaxFollowers; ++i) {
    followers.push_back(follow(daemon, target));
    receive_until(followers.back().get(), "\"n\":1}");
  }
  const std::string refused = daemon.ask("GET", target);
  CHECK(status_of_answer(refused) == 503);
  CHECK(json_of(refused)["code"] == "too_many_followers");
  CHECK(refused.find("Retry-After: ") != std::string::npos);
  CHECK(status_of_answer(daemon.ask("GET", "/v1/functions/hello/logs")) == 200);
  followers.pop_back();
  // It is noticed within bounds::kFollowerLook.
  for (;;) {
    const sys::UniqueFd next = follow(daemon, target);
    const std::string answer = receive_until(next.get(), "}");
    if (status_of_answer(answer) == 200) break;
    CHECK(status_of_answer(answer) == 503);
  }
}

TEST_CASE("followers do not keep the daemon from stopping") {
  if (!is_root()) return;
  const Daemon daemon;
  CHECK(status_of_answer(daemon.ask("PUT", "/v1/functions/hello", "", "tarball")) == 201);
  add(daemon, "hello", journal::Kind::output, 1);
  const sys::UniqueFd fd = follow(daemon, "/v1/functions/hello/logs?follow=1");
  receive_until(fd.get(), "\"n\":1}\n\n");
  daemon.api->stop();
  CHECK(receive_all(fd.get()) == "event: end\ndata: stopping\n\n");
}

TEST_CASE("metrics are text for those who may use the API") {
  if (!is_root()) return;
  Daemon daemon;
  daemon.op.counted.functions.resize(1);
  daemon.op.counted.functions[0].function = "hello";
  const std::string answer = daemon.ask("GET", "/metrics");
  CHECK(status_of_answer(answer) == 200);
  CHECK(answer.find("Content-Type: text/plain; version=0.0.4") != std::string::npos);
  CHECK(answer.find("\nfaasd_instances_live{function=\"hello\"} 0\n") != std::string::npos);
}
