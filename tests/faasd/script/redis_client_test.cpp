// What is said by something that listens where Redis should.
#include "faasd/script/redis_client.h"

#include <doctest/doctest.h>

#include <chrono>

#include "oci/sys/error.h"
#include "tests/faasd/script/fake_redis.h"

using script::RedisClient;
using std::chrono::milliseconds;
using support::always;
using support::FakeRedis;

namespace {

constexpr milliseconds kPatience{500};         // with something that says no more
constexpr milliseconds kLongPatience{20'000};  // with something that still has much to say

std::string problem_with(RedisClient& client) {
  try {
    client.ask({"GET", "a"});
    return "";
  } catch (const sys::Refused& refused) {
    CHECK(refused.code() == "store_unavailable");
    CHECK(std::string(refused.what()).find("s3cret") == std::string::npos);
    return refused.what();
  }
}

}  // namespace

TEST_CASE("something that is no Redis is told of, in bounded time and memory") {
  const std::vector<std::pair<FakeRedis::Answer, std::string>> table = {
      {always("HTTP/1.1 400 Bad Request\r\n\r\n"), "does not speak the protocol"},
      {always("-ERR unknown command `AUTH`, with args beginning with: `s3cret`\r\n"),
       "refuses the password"},
      {always("$-5\r\n"), "protocol"},
      {always("*99999999999999999999\r\n"), "protocol"},
      {always("*8000000\r\n"), "its answer is too large"},
      {always("*2\r\n*32000\r\n:0\r\n"), "does not answer"},
      {always("*2\r\n*32767\r\n"), "its answer is too large"},
      {always("+OK\r\n+OK\r\n"), "it says more than it was asked"},
      {always(""), "does not answer"},
      {always("+O"), "does not answer"},
      {[](int) {}, "ended the connection"},
      {[](int fd) {
         sys::send_before(fd, "$2000000000\r\n", FakeRedis::soon());
         const std::string part(1u << 20, 'x');
         while (sys::send_within(fd, part, kLongPatience) == sys::IoStatus::done) {
         }
       },
       "its answer is too large"},
  };
  for (const auto& row : table) {
    const FakeRedis server(row.first);
    const bool silent = row.second == "does not answer";
    RedisClient client(server.address(), silent ? kPatience : kLongPatience, milliseconds(0));
    const std::string found = problem_with(client);
    CAPTURE(row.second);
    CAPTURE(found);
    CHECK(found.find(row.second) != std::string::npos);
  }
}

TEST_CASE("what Redis says in an error is short and printable") {
  int commands = 0;
  const FakeRedis server([&](int fd) {
    char buffer[4096];
    while (sys::receive_before(fd, buffer, FakeRedis::soon()).status == sys::IoStatus::done) {
      const std::string error = "-ERR \x1b[31m\xff" + std::string(100'000, 'x') + "\r\n";
      sys::send_within(fd, ++commands <= 2 ? "+OK\r\n" : error, kLongPatience);
    }
  });
  RedisClient client(server.address(), kLongPatience, milliseconds(0));
  const script::RedisReply reply = client.ask({"GET", "a"});
  CHECK(reply.kind == script::RedisReply::Kind::error);
  CHECK(reply.text.size() == 200);
  CHECK(reply.text.starts_with("ERR ?[31m?xxx"));
}
