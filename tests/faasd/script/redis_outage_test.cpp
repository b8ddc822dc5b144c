// A Redis that is gone, hangs, comes back.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "faasd/script/redis_store.h"
#include "oci/sys/error.h"
#include "tests/faasd/script/redis_server.h"

using script::RedisStore;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// Shorter than in earnest; what a busy machine adds is allowed for below.
constexpr milliseconds kPatience{500};
constexpr milliseconds kPause{20};
constexpr milliseconds kSlow{5'000};

// "" if the store answers; else why not, which is always the same refusal.
std::string problem_with(RedisStore& store) {
  try {
    store.find("a", std::nullopt);
    return "";
  } catch (const sys::Refused& refused) {
    CHECK(refused.reason() == sys::Refusal::unavailable);
    CHECK(refused.code() == "store_unavailable");
    CHECK(std::string(refused.what()).find(store.name()) != std::string::npos);
    return refused.what();
  }
}

void check_comes_back(RedisStore& store) {
  const auto give_up = steady_clock::now() + std::chrono::seconds(20);
  while (!problem_with(store).empty()) REQUIRE(steady_clock::now() < give_up);
}

milliseconds since(steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

}  // namespace

TEST_CASE("a Redis that hangs is told of within the patience, and then at once") {
  const support::RedisServer server;
  RedisStore store(server.address(), kPatience, std::chrono::seconds(60));
  REQUIRE(problem_with(store).empty());
  server.freeze();
  auto start = steady_clock::now();
  CHECK(problem_with(store).find("does not answer") != std::string::npos);
  CHECK(since(start) >= kPatience / 2);
  CHECK(since(start) < kSlow);
  start = steady_clock::now();
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(problem_with(store).empty());
  CHECK(since(start) < kPatience * 10);  // and not a thousand times that
  server.thaw();
}

TEST_CASE("a Redis that hangs is in use again when it goes on") {
  const support::RedisServer server;
  RedisStore store(server.address(), kPatience, kPause);
  const std::uint64_t version = store.add({"a", "python", "code", ""});
  server.freeze();
  CHECK_FALSE(problem_with(store).empty());
  server.thaw();
  check_comes_back(store);
  CHECK(store.find("a", version)->code == "code");
}

TEST_CASE("many callers of a Redis that hangs wait side by side") {
  const support::RedisServer server;
  for (const bool used_before : {true, false}) {
    CAPTURE(used_before);
    RedisStore store(server.address(), kPatience, kPause);
    if (used_before) check_comes_back(store);
    server.freeze();
    const auto start = steady_clock::now();
    std::atomic<int> refused = 0;
    std::vector<std::thread> threads;
    threads.reserve(100);
    for (int i = 0; i < 100; ++i) {
      threads.emplace_back([&] {
        for (int calls = 0; calls < 3; ++calls) {
          try {
            store.find("a", std::nullopt);
          } catch (const sys::Refused&) {
            ++refused;
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(refused == 300);
    CHECK(since(start) < kSlow);  // one behind the other it were 150 s
    server.thaw();
    check_comes_back(store);
  }
}

TEST_CASE("a Redis that was killed is told of, and is in use again when it was started") {
  support::RedisServer server;
  RedisStore store(server.address(), kPatience, kPause);
  store.add({"a", "python", "code", ""});
  server.kill();
  const auto start = steady_clock::now();
  CHECK(problem_with(store).find("Connection refused") != std::string::npos);
  CHECK(since(start) < kSlow);
  CHECK_THROWS_AS(store.add({"a", "python", "code", ""}), sys::Refused);
  CHECK_THROWS_AS(store.list("", 10), sys::Refused);
  server.restart();
  check_comes_back(store);
  const std::uint64_t version = store.add({"a", "python", "after", ""});
  CHECK(store.find("a", version)->code == "after");
}

TEST_CASE("a Redis that was restarted between two calls is not noticed") {
  support::RedisServer server;
  RedisStore store(server.address());
  store.add({"a", "python", "code", ""});
  server.restart();
  CHECK_NOTHROW(store.add({"a", "python", "code", ""}));
  REQUIRE(server.command({"CLIENT", "KILL", "TYPE", "normal"}) != "");
  CHECK(store.find("a", std::nullopt)->code == "code");
}

TEST_CASE("the password and the database are those of the address") {
  const support::RedisServer server("p@ss: s3cret");
  RedisStore store(server.address(3));
  store.add({"a", "python", "code", ""});
  CHECK(server.command({"DBSIZE"}, 3) == "4");
  CHECK(server.command({"DBSIZE"}, 0) == "0");

  script::RedisAddress wrong = server.address();
  wrong.password = "wr0ng s3cret";
  RedisStore refused(wrong);
  const std::string problem = problem_with(refused);
  CHECK(problem.find("refuses the password") != std::string::npos);
  CHECK(problem.find("s3cret") == std::string::npos);

  wrong.password = "";
  RedisStore without(wrong);
  CHECK(problem_with(without).find("wants a password") != std::string::npos);

  RedisStore beyond(server.address(4711));
  CHECK(problem_with(beyond).find("out of range") != std::string::npos);
}

TEST_CASE("what Redis refuses is told with its reason, and nothing of it is done") {
  const support::RedisServer server;
  RedisStore store(server.address());
  store.add({"a", "python", "code", ""});
  REQUIRE(server.command({"CONFIG", "SET", "maxmemory", "1mb"}) == "OK");
  REQUIRE(server.command({"CONFIG", "SET", "maxmemory", "1"}) == "OK");
  const std::string before = server.command({"DBSIZE"});
  try {
    store.add({"b", "python", "code", ""});
    FAIL("it has no memory left");
  } catch (const sys::Refused& refused) {
    CHECK(refused.code() == "store_unavailable");
    CHECK(std::string(refused.what()).find("maxmemory") != std::string::npos);
  }
  CHECK(server.command({"DBSIZE"}) == before);
  CHECK(store.find("a", std::nullopt)->code == "code");
}
