// A store that answers commands with what no script of ours says.
#include <doctest/doctest.h>

#include <functional>

#include "faasd/function/bounds.h"
#include "faasd/script/redis_store.h"
#include "oci/sys/error.h"
#include "tests/faasd/script/fake_redis.h"

namespace bounds = function::bounds;
using script::RedisStore;

namespace {

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

std::string found(const std::string& version, const std::string& code, const std::string& language,
                  const std::string& more = bulk("") + bulk("") + bulk("")) {
  return "*6\r\n" + bulk(version) + bulk(code) + bulk(language) + more;
}

std::string refusal_of(const std::string& answer, const std::function<void(RedisStore&)>& call) {
  const support::FakeRedis server(support::always(answer, 2));
  RedisStore store(server.address(), std::chrono::seconds(5), std::chrono::milliseconds(0));
  try {
    call(store);
  } catch (const sys::Refused& refused) {
    CHECK(refused.reason() == sys::Refusal::failed);
    return refused.code();
  }
  return "";
}

}  // namespace

TEST_CASE("a script that no store of ours would have is not believed") {
  const auto find = [](RedisStore& store) { store.find("a", std::nullopt); };
  const auto find_5 = [](RedisStore& store) { store.find("a", 5); };
  CHECK(refusal_of(found("5", "return 1", "python"), find_5).empty());
  CHECK(refusal_of("$-1\r\n", find).empty());
  const std::string long_code(bounds::kMaxCodeBytes + 1, 'x');
  const std::string long_language(bounds::kMaxLanguageBytes + 1, 'x');
  const std::pair<const char*, std::string> table[] = {
      {"a number", ":5\r\n"},
      {"a text", bulk("x")},
      {"an empty list", "*0\r\n"},
      {"one more", "*7\r\n" + found("5", "x", "python").substr(4) + bulk("")},
      {"a number in it", "*6\r\n:5\r\n" + found("5", "x", "python").substr(11)},
      {"no version", found("x", "x", "python")},
      {"version 0", found("0", "x", "python")},
      {"a version beyond all", found("9999999999999999", "x", "python")},
      {"too long a language", found("5", "x", long_language)},
      {"too long a code", found("5", long_code, "python")},
  };
  for (const auto& row : table) {
    CAPTURE(row.first);
    CHECK(refusal_of(row.second, find) == "corrupt_store");
  }
  CHECK(refusal_of(found("6", "x", "python"), find_5) == "corrupt_store");
}

TEST_CASE("other answers of a wrong kind are not believed either") {
  const auto versions = [](RedisStore& store) { store.versions("a"); };
  CHECK(refusal_of("*3\r\n" + bulk("5") + bulk("python") + bulk("5"), versions).empty());
  CHECK(refusal_of("*3\r\n" + bulk("5") + bulk("python") + bulk("x"), versions) == "corrupt_store");
  CHECK(refusal_of("*1\r\n" + bulk("5"), versions) == "corrupt_store");
  CHECK(refusal_of(":1\r\n", versions) == "corrupt_store");
  const auto list = [](RedisStore& store) { store.list("", 10); };
  CHECK(refusal_of("*2\r\n" + bulk("0") + bulk("x"), list) == "corrupt_store");
  CHECK(refusal_of("*2\r\n" + bulk("0") + "*0\r\n", list) == "corrupt_store");  // to EVAL
  CHECK(refusal_of("+OK\r\n", list) == "corrupt_store");
  CHECK(refusal_of("+OK\r\n", [](RedisStore& store) { store.remove("a"); }) == "corrupt_store");
  CHECK(refusal_of("*0\r\n", [](RedisStore& store) {
          store.add({"a", "python", "return 1", ""});
        }) == "corrupt_store");
}
