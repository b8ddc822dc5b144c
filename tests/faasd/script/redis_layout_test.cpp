// The keys in Redis are those of go-faas, and whatever stands there is read with care.
#include <doctest/doctest.h>

#include <map>

#include "faasd/function/bounds.h"
#include "faasd/script/redis_store.h"
#include "oci/sys/error.h"
#include "tests/faasd/script/redis_server.h"

namespace bounds = function::bounds;
using script::RedisStore;
using script::Script;

namespace {

const std::string kPath = "math/add";
const std::string kMd5 = "82db5db459c98232a93f895c40690dcb";  // of the path, as it was uploaded
const std::string kMeta = "meta:" + kMd5;
const std::string kVersions = kMeta + ":version";

// What go-faas does for an upload at this time.
void upload_like_go_faas(const support::RedisServer& server, const std::string& language,
                         const std::string& code, const std::string& version) {
  REQUIRE(server.command({"HSET", kMeta, "path", kPath, "language", language, "latest", version})
              .front() != '-');
  REQUIRE(server.command({"SET", "code:" + kMd5 + ":" + version, code}) == "OK");
  REQUIRE(server.command({"SADD", kVersions, version}).front() != '-');
}

template <typename Call>
std::string refusal_of(const Call& call) {
  try {
    call();
  } catch (const sys::Refused& refused) {
    return refused.code();
  }
  return "";
}

}  // namespace

TEST_CASE("an upload stands under the keys of go-faas, with its values") {
  const support::RedisServer server;
  RedisStore store(server.address());
  const std::string v1 = std::to_string(store.add({kPath, "python", "return 1", "compiled"}));
  const std::string v2 = std::to_string(store.add({kPath, "javascript", "return 2", ""}));
  CHECK(server.command({"HGET", kMeta, "path"}) == kPath);
  CHECK(server.command({"HGET", kMeta, "language"}) == "javascript");
  CHECK(server.command({"HGET", kMeta, "latest"}) == v2);
  CHECK(server.command({"HLEN", kMeta}) == "3");
  CHECK(server.command({"GET", "code:" + kMd5 + ":" + v1}) == "return 1");
  CHECK(server.command({"GET", "code:" + kMd5 + ":" + v2}) == "return 2");
  CHECK(server.command({"TYPE", kVersions}) == "set");
  CHECK(server.command({"SORT", kVersions}) == v1 + "\n" + v2);
  CHECK(server.command({"HGET", "faasd:" + kMd5 + ":" + v1, "compiled"}) == "compiled");
  CHECK(server.command({"DBSIZE"}) == "6");
  CHECK(server.command({"TTL", kMeta}) == "-1");
  CHECK(server.command({"TTL", "code:" + kMd5 + ":" + v1}) == "-1");
  CHECK(store.remove(kPath));
  CHECK(server.command({"DBSIZE"}) == "0");
}

TEST_CASE("what go-faas has uploaded is served, and gets what it lacks") {
  const support::RedisServer server;
  upload_like_go_faas(server, "typescript", "return 1", "1739000000");
  upload_like_go_faas(server, "typescript", "return 2", "1739000005");
  RedisStore store(server.address());
  const auto found = store.find(kPath, std::nullopt);
  REQUIRE(found);
  CHECK(found->version == 1739000005);
  CHECK(found->language == "typescript");
  CHECK(found->code == "return 2");
  CHECK(found->compiled.empty());
  CHECK(store.find(kPath, 1739000000)->code == "return 1");
  CHECK(store.versions(kPath)->versions == std::vector<std::uint64_t>{1739000005, 1739000000});
  REQUIRE(store.list("", 10).size() == 1);
  CHECK(store.list("", 10).front().latest == 1739000005);

  Script compiled = *found;
  compiled.compiled = "compiled 2";
  store.keep_compiled(compiled);
  CHECK(store.find(kPath, std::nullopt)->compiled == "compiled 2");
  CHECK(store.find(kPath, 1739000000)->compiled.empty());

  // go-faas writes to the same version again: what was compiled is of another code.
  upload_like_go_faas(server, "python", "return 3", "1739000005");
  CHECK(store.find(kPath, std::nullopt)->code == "return 3");
  CHECK(store.find(kPath, std::nullopt)->language == "python");
  CHECK(store.find(kPath, std::nullopt)->compiled.empty());

  // An upload of ours in another language does not change what came before.
  const std::uint64_t ours = store.add({kPath, "javascript", "return 4", ""});
  CHECK(store.find(kPath, 1739000005)->language == "python");
  CHECK(store.find(kPath, ours)->language == "javascript");
  CHECK(store.versions(kPath)->versions.size() == 3);
}

TEST_CASE("a new version comes after all that are there, whatever clock they are from") {
  const support::RedisServer server;
  RedisStore store(server.address());
  const std::uint64_t future = script::version_now() + 1000;
  upload_like_go_faas(server, "python", "1", std::to_string(future));
  CHECK(store.add({kPath, "python", "2", ""}) == future + 1);
  upload_like_go_faas(server, "python", "3", std::to_string(future - 500));  // "latest" goes back
  CHECK(store.add({kPath, "python", "4", ""}) == future + 2);
  CHECK(store.find(kPath, future)->code == "1");
}

TEST_CASE("more versions than are kept go little by little") {
  const support::RedisServer server;
  const std::string fill =
      "for i = 1, 1500 do redis.call('SADD', KEYS[1], 1000000 + i) "
      "redis.call('SET', 'code:' .. ARGV[1] .. ':' .. 1000000 + i, i) end";
  REQUIRE(server.command({"EVAL", fill, "1", kVersions, kMd5}).empty());
  upload_like_go_faas(server, "python", "code", "1001500");
  RedisStore store(server.address());
  for (int i = 0; i < 10; ++i) store.add({kPath, "python", "new", ""});
  CHECK(server.command({"SCARD", kVersions}) == "1000");
  CHECK(store.versions(kPath)->versions.size() == 1000);
  CHECK_FALSE(store.find(kPath, 1000001));
  CHECK_FALSE(store.find(kPath, 1000510));
  CHECK(store.find(kPath, 1000511));
}

TEST_CASE("what is no script is refused, not believed, and can be removed") {
  using Commands = std::vector<std::vector<std::string>>;
  const std::string code = "code:" + kMd5 + ":1739000000";
  const std::string huge_code = std::to_string(bounds::kMaxCodeBytes);
  const std::map<std::string, Commands> table = {
      {"meta is a string", {{"DEL", kMeta}, {"SET", kMeta, "x"}}},
      {"meta is a list", {{"DEL", kMeta}, {"RPUSH", kMeta, "path", kPath}}},
      {"latest is no number", {{"HSET", kMeta, "latest", "17390000ab"}}},
      {"latest is negative", {{"HSET", kMeta, "latest", "-1"}}},
      {"latest is not whole", {{"HSET", kMeta, "latest", "1.5"}}},
      {"latest is empty", {{"HSET", kMeta, "latest", ""}}},
      {"latest is a key's end", {{"HSET", kMeta, "latest", "1:x"}}},
      {"latest is too large", {{"HSET", kMeta, "latest", "9999999999999999"}}},
      {"latest is huge", {{"HSET", kMeta, "latest", std::string(1u << 20, '1')}}},
      {"language is huge", {{"HSET", kMeta, "language", std::string(1u << 20, 'x')}}},
      {"path is huge", {{"HSET", kMeta, "path", std::string(1u << 20, 'x')}}},
      {"code is a hash", {{"DEL", code}, {"HSET", code, "a", "b"}}},
      {"code is huge", {{"SETRANGE", code, huge_code, "x"}}},
      {"ours is a string", {{"SET", "faasd:" + kMd5 + ":1739000000", "x"}}},
      {"ours is huge",
       {{"HSET", "faasd:" + kMd5 + ":1739000000", "compiled",
         std::string(bounds::kMaxCompiledBytes + 1, 'x')}}},
  };
  const support::RedisServer server;
  RedisStore store(server.address());
  for (const auto& row : table) {
    CAPTURE(row.first);
    server.command({"FLUSHALL"});
    upload_like_go_faas(server, "python", "code", "1739000000");
    for (const auto& command : row.second) REQUIRE(server.command(command).front() != '-');
    CHECK(refusal_of([&] { store.find(kPath, std::nullopt); }) == "corrupt_script");
    CHECK_NOTHROW(store.list("", 10));  // the others are listed
    CHECK(store.remove(kPath));
    CHECK_FALSE(store.find(kPath, std::nullopt));
    CHECK_NOTHROW(store.add({kPath, "python", "code", ""}));
    CHECK(store.find(kPath, std::nullopt)->code == "code");
  }
}

TEST_CASE("a set of versions that is none is refused, not believed") {
  using Commands = std::vector<std::vector<std::string>>;
  const std::map<std::string, Commands> table = {
      {"a string", {{"DEL", kVersions}, {"SET", kVersions, "x"}}},
      {"a hash", {{"DEL", kVersions}, {"HSET", kVersions, "a", "b"}}},
      {"words", {{"SADD", kVersions, "newest"}}},
      {"infinity", {{"SADD", kVersions, "inf"}}},
      {"too large", {{"SADD", kVersions, "99999999999999999"}}},
  };
  const support::RedisServer server;
  RedisStore store(server.address());
  for (const auto& row : table) {
    CAPTURE(row.first);
    server.command({"FLUSHALL"});
    upload_like_go_faas(server, "python", "code", "1739000000");
    for (const auto& command : row.second) REQUIRE(server.command(command).front() != '-');
    CHECK(store.find(kPath, std::nullopt));  // needs no set
    CHECK(refusal_of([&] { store.versions(kPath); }) == "corrupt_script");
    const std::string before = server.command({"DBSIZE"});
    CHECK(refusal_of([&] { store.add({kPath, "python", "code", ""}); }) == "corrupt_script");
    CHECK(server.command({"DBSIZE"}) == before);  // refused before anything was written
    CHECK(store.remove(kPath));
    CHECK(server.command({"DBSIZE"}) == "0");
  }
}

TEST_CASE("keys of others are not listed") {
  const support::RedisServer server;
  RedisStore store(server.address());
  store.add({kPath, "python", "code", ""});
  const std::string other = "meta:" + std::string(32, '0');
  for (const auto& command : std::vector<std::vector<std::string>>{
           {"SET", "meta:x", "1"},
           {"SET", other, "1"},
           {"HSET", "meta:" + std::string(32, '1'), "path", "no version"},
           {"HSET", "meta:" + std::string(32, '2'), "latest", "1739000000"},
           {"HSET", "user:7", "path", "a", "language", "b", "latest", "1"}}) {
    REQUIRE(server.command(command).front() != '-');
  }
  REQUIRE(store.list("", 10).size() == 1);
  CHECK(store.list("", 10).front().path == kPath);
}
