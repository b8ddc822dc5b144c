// What every store does, asked of each of them.
#include "faasd/script/script_store.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "faasd/function/bounds.h"
#include "faasd/script/redis_store.h"
#include "faasd/script/sqlite_store.h"
#include "oci/sys/error.h"
#include "tests/faasd/script/redis_server.h"
#include "tests/support/scratch.h"

namespace bounds = function::bounds;
using script::Script;
using script::ScriptStore;
using script::Upload;

namespace {

using namespace std::string_literals;

template <typename Body>
void each_store(const Body& body) {
  SUBCASE("SQLite") {
    const support::Scratch scratch;
    script::SqliteStore store(scratch.path());
    body(store);
  }
  SUBCASE("Redis") {
    const support::RedisServer server;
    script::RedisStore store(server.address());
    body(store);
  }
}

std::string refusal_of(ScriptStore& store, const Upload& upload) {
  try {
    store.add(upload);
  } catch (const sys::Refused& refused) {
    return refused.code();
  }
  return "";
}

void check_same(const std::optional<Script>& found, const Upload& upload, std::uint64_t version) {
  REQUIRE(found);
  CHECK(found->version == version);
  CHECK(found->path == upload.path);
  CHECK(found->language == upload.language);
  CHECK(found->code == upload.code);
  CHECK(found->compiled == upload.compiled);
}

}  // namespace

TEST_CASE("an upload is found again, the latest and each version") {
  each_store([](ScriptStore& store) {
    const std::uint64_t before = script::version_now();
    const Upload first{"math/add", "python", "return 1", "compiled 1"};
    const Upload second{"math/add", "typescript", "return 2", ""};
    const std::uint64_t v1 = store.add(first);
    const std::uint64_t v2 = store.add(second);
    CHECK(v1 >= before);
    CHECK(v2 <= script::version_now() + 1);  // a second upload in the same second
    CHECK(v2 > v1);
    check_same(store.find("math/add", std::nullopt), second, v2);
    check_same(store.find("math/add", v1), first, v1);
    check_same(store.find("math/add", v2), second, v2);
    const auto versions = store.versions("math/add");
    REQUIRE(versions);
    CHECK(versions->path == "math/add");
    CHECK(versions->language == "typescript");
    CHECK(versions->latest == v2);
    CHECK(versions->versions == std::vector{v2, v1});
  });
}

TEST_CASE("what was never uploaded is not there") {
  each_store([](ScriptStore& store) {
    CHECK_FALSE(store.find("a", std::nullopt));
    CHECK_FALSE(store.versions("a"));
    CHECK_FALSE(store.remove("a"));
    CHECK(store.list("", 10).empty());
    const std::uint64_t version = store.add({"a", "python", "x", ""});
    CHECK_FALSE(store.find("a", version + 1));
    CHECK_FALSE(store.find("a", 0));
    CHECK_FALSE(store.find("a", ~std::uint64_t{0}));
    CHECK_FALSE(store.find("a/", std::nullopt));
    CHECK_FALSE(store.find("/a", std::nullopt));
    CHECK_FALSE(store.find("A", std::nullopt));
    CHECK_FALSE(store.find("", std::nullopt));
  });
}

TEST_CASE("paths and code are bytes") {
  each_store([](ScriptStore& store) {
    const std::vector<std::string> strings = {"Zürich/加/🙂",
                                              "o'brien'; DROP TABLE script; --",
                                              "100%s%n",
                                              "a*b?[c]",
                                              "nul\0nul"s,
                                              "nul\0other"s,
                                              "\xff\xfe\x80",
                                              "two\r\nlines",
                                              "\"quoted\"",
                                              std::string(1024, 'p'),
                                              std::string(1024, 'p') + "q",
                                              std::string(bounds::kMaxScriptPath, 'x')};
    std::vector<std::uint64_t> versions;
    versions.reserve(strings.size());
    for (const std::string& text : strings) {
      versions.push_back(store.add({text, "python", "code of " + text, "compiled " + text}));
    }
    for (std::size_t i = 0; i < strings.size(); ++i) {
      const std::string& text = strings[i];
      check_same(store.find(text, std::nullopt),
                 {text, "python", "code of " + text, "compiled " + text}, versions[i]);
      CHECK(store.versions(text)->versions == std::vector{versions[i]});
    }
    CHECK(store.list("", 100).size() == strings.size());
    for (const std::string& text : strings) CHECK(store.remove(text));
    CHECK(store.list("", 100).empty());
  });
}

TEST_CASE("code of any size up to the bound, none included") {
  each_store([](ScriptStore& store) {
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{256u << 10}, bounds::kMaxCodeBytes}) {
      CAPTURE(size);
      const Upload upload{"sized", "javascript", std::string(size, 'c'), std::string(size, 'd')};
      const std::uint64_t version = store.add(upload);
      check_same(store.find("sized", version), upload, version);
    }
  });
}

TEST_CASE("what is over a bound is refused and leaves nothing") {
  each_store([](ScriptStore& store) {
    const std::vector<std::pair<Upload, std::string>> table = {
        {{"", "python", "x", ""}, "bad_path"},
        {{std::string(bounds::kMaxScriptPath + 1, 'x'), "python", "x", ""}, "script_too_large"},
        {{"a", std::string(bounds::kMaxLanguageBytes + 1, 'x'), "x", ""}, "script_too_large"},
        {{"a", "python", std::string(bounds::kMaxCodeBytes + 1, 'x'), ""}, "script_too_large"},
        {{"a", "python", "x", std::string(bounds::kMaxCompiledBytes + 1, 'x')},
         "script_too_large"}};
    for (const auto& [upload, code] : table) CHECK(refusal_of(store, upload) == code);
    CHECK(store.list("", 10).empty());
  });
}

TEST_CASE("compiled code can be kept later, with the code that it was made of") {
  each_store([](ScriptStore& store) {
    const std::uint64_t v1 = store.add({"a", "typescript", "one", ""});
    const std::uint64_t v2 = store.add({"a", "typescript", "two", ""});
    Script script = *store.find("a", v1);
    script.compiled = "compiled one\0"s;
    store.keep_compiled(script);
    check_same(store.find("a", v1), script, v1);
    CHECK(store.find("a", v2)->compiled.empty());
    // Others: of another code, of no version, of no script.
    Script other = script;
    other.code = "three";
    other.compiled = "compiled three";
    store.keep_compiled(other);
    CHECK(store.find("a", v1)->code == "one");
    CHECK(store.find("a", v1)->compiled != "compiled three");
    store.remove("a");
    store.keep_compiled(script);
    CHECK_FALSE(store.find("a", v1));
    CHECK(store.list("", 10).empty());
  });
}

TEST_CASE("a list is sorted by path, and goes on where it ended") {
  each_store([](ScriptStore& store) {
    std::vector<std::string> paths = {"b", "a/b", "a", "Z", "é", "a/a", "\xff", "c"};
    std::map<std::string, std::uint64_t> latest;
    for (const std::string& path : paths) {
      store.add({path, "python", "1", ""});
      latest[path] = store.add({path, "javascript", "2", ""});
    }
    std::sort(paths.begin(), paths.end());
    std::vector<std::string> listed;
    std::string after;
    for (;;) {
      const std::vector<script::Listed> part = store.list(after, 3);
      if (part.empty()) break;
      CHECK(part.size() <= 3);
      for (const script::Listed& script : part) {
        listed.push_back(script.path);
        CHECK(script.language == "javascript");
        CHECK(script.latest == latest[script.path]);
      }
      after = part.back().path;
    }
    CHECK(listed == paths);
    CHECK(store.list("a/", 2).front().path == "a/a");
    CHECK(store.list("", 0).empty());
    CHECK(store.list("", ~std::size_t{0}).size() == paths.size());
  });
}

TEST_CASE("a removed script is gone with all its versions, and its path can be used again") {
  each_store([](ScriptStore& store) {
    const std::uint64_t v1 = store.add({"a", "python", "1", "c"});
    store.add({"a", "python", "2", "c"});
    store.add({"b", "python", "3", ""});
    CHECK(store.remove("a"));
    CHECK_FALSE(store.remove("a"));
    CHECK_FALSE(store.find("a", std::nullopt));
    CHECK_FALSE(store.find("a", v1));
    CHECK_FALSE(store.versions("a"));
    CHECK(store.list("", 10).size() == 1);
    const std::uint64_t again = store.add({"a", "javascript", "4", ""});
    check_same(store.find("a", std::nullopt), {"a", "javascript", "4", ""}, again);
    CHECK(store.versions("a")->versions == std::vector{again});
  });
}

TEST_CASE("of one path only so many versions are kept, the oldest go") {
  each_store([](ScriptStore& store) {
    constexpr std::size_t kOver = 5;
    std::vector<std::uint64_t> added;
    store.add({"other", "python", "stays", ""});
    for (std::size_t i = 0; i < bounds::kMaxScriptVersions + kOver; ++i) {
      added.push_back(store.add({"a", "python", std::to_string(i), ""}));
    }
    CHECK(std::is_sorted(added.begin(), added.end()));
    for (std::size_t i = 0; i < kOver; ++i) CHECK_FALSE(store.find("a", added[i]));
    std::vector<std::uint64_t> kept(added.begin() + kOver, added.end());
    CHECK(store.find("a", kept.front())->code == std::to_string(kOver));
    std::reverse(kept.begin(), kept.end());
    CHECK(store.versions("a")->versions == kept);
    CHECK(store.find("other", std::nullopt)->code == "stays");
  });
}

TEST_CASE("uploads at once to one path get versions of their own, and none is lost") {
  each_store([](ScriptStore& store) {
    constexpr int kThreads = 8;
    constexpr int kEach = 20;
    std::vector<std::vector<std::uint64_t>> got(kThreads);
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&store, &mine = got[static_cast<std::size_t>(t)], t] {
        for (int i = 0; i < kEach; ++i) {
          const std::string code = std::to_string(t) + ":" + std::to_string(i);
          mine.push_back(store.add({"a", "python", code, ""}));
          store.find("a", std::nullopt);
          store.add({"b/" + std::to_string(t), "python", code, ""});
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::set<std::uint64_t> all;
    for (int t = 0; t < kThreads; ++t) {
      const auto& mine = got[static_cast<std::size_t>(t)];
      CHECK(std::is_sorted(mine.begin(), mine.end()));
      for (int i = 0; i < kEach; ++i) {
        const std::uint64_t version = mine[static_cast<std::size_t>(i)];
        CHECK(all.insert(version).second);
        CHECK(store.find("a", version)->code == std::to_string(t) + ":" + std::to_string(i));
      }
    }
    CHECK(store.versions("a")->versions == std::vector<std::uint64_t>(all.rbegin(), all.rend()));
    CHECK(store.list("", 100).size() == 1 + kThreads);
  });
}
