#include "faasd/script/redis_address.h"

#include <doctest/doctest.h>

#include <vector>

#include "oci/sys/error.h"

using script::parse_redis_address;
using script::RedisAddress;

TEST_CASE("a URL of Redis is taken apart") {
  const std::vector<std::pair<const char*, RedisAddress>> table = {
      {"redis://host:7000/3", {"host", 7000, "", 3}},
      {"redis://host", {"host", 6379, "", 0}},
      {"redis://host/", {"host", 6379, "", 0}},
      {"redis://host/15", {"host", 6379, "", 15}},
      {"redis://:pass@10.0.0.1:6379/0", {"10.0.0.1", 6379, "pass", 0}},
      {"redis://:@host", {"host", 6379, "", 0}},
      {"redis://:p%40ss%3A%2F%25@host/1", {"host", 6379, "p@ss:/%", 1}},
      {"redis://:a@b:c/d@host:1/1", {"host", 1, "a@b:c/d", 1}},
      {"redis://[::1]:6380/2", {"::1", 6380, "", 2}},
      {"redis://[fe80::1]", {"fe80::1", 6379, "", 0}},
  };
  for (const auto& row : table) {
    CAPTURE(row.first);
    CHECK(parse_redis_address(row.first) == row.second);
  }
  CHECK(parse_redis_address("redis://:secret@[::1]:6380/2").to_string() == "redis://[::1]:6380/2");
}

TEST_CASE("what is no URL of Redis is refused without repeating any of it") {
  for (const char* url : {"",
                          "redis",
                          "redis:",
                          "redis://",
                          "redis:///0",
                          "redis://:s3cret@",
                          "redis://:s3cret@/0",
                          "redis://user:s3cret@host",
                          "redis://s3cret@host",
                          "redis://host:0",
                          "redis://host:65536",
                          "redis://host:-1",
                          "redis://host:s3cret",
                          "redis://host:",
                          "redis://host/s3cret",
                          "redis://host/-1",
                          "redis://host/1/2",
                          "redis://host/4294967296",
                          "redis://[::1",
                          "redis://[::1]6379",
                          "redis://:s3cret%@host",
                          "redis://:s3cret%4@host",
                          "redis://:s3cret%zz@host",
                          "redis://ho st",
                          "redis://host\n",
                          "redis://ho?st/0",
                          "REDIS://host",
                          "unix:///run/redis.sock"}) {
    CAPTURE(url);
    try {
      parse_redis_address(url);
      FAIL("it was taken");
    } catch (const sys::Refused& refused) {
      CHECK(refused.code() == "bad_store");
      CHECK(std::string(refused.what()).find("s3cret") == std::string::npos);
    }
  }
}
