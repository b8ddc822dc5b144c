// Scripts in Redis, under the keys of go-faas, so that either serves what the other was given:
//   meta:<md5 of path>            hash: path, language, latest
//   code:<md5 of path>:<version>  the code
//   meta:<md5 of path>:version    set of the versions
// What go-faas has no key for is in one more, which it does not look at:
//   faasd:<md5 of path>:<version> hash: language, compiled, code (SHA-1 of the code they belong to)
// No key expires. An operation is one Lua script, so it is done as a whole or not at all; a Redis
// Cluster would not run it. It is as durable as that Redis is (its `appendonly`).
//
// What Redis says is not believed: the size of each value is looked at before it is fetched, and
// again when it is here. A Redis that is gone or hangs costs its callers
// function::bounds::kStorePatience at most, and comes back by itself: from then on one caller at a
// time tries, after a pause, and the others are told at once.
#pragma once

#include <chrono>
#include <string_view>

#include "faasd/function/bounds.h"
#include "faasd/script/redis_client.h"
#include "faasd/script/script_store.h"

namespace script {

class RedisStore : public ScriptStore {
 public:
  // Connects when it is first used: a Redis that is down keeps no daemon from starting.
  explicit RedisStore(const RedisAddress& address,
                      std::chrono::milliseconds patience = function::bounds::kStorePatience,
                      std::chrono::milliseconds pause = function::bounds::kStorePause);

  const std::string& name() const noexcept override { return client_.name(); }
  std::uint64_t add(const Upload& upload) override;
  std::optional<Script> find(const std::string& path,
                             std::optional<std::uint64_t> version) override;
  void keep_compiled(const Script& script) override;
  std::optional<Versions> versions(const std::string& path) override;
  // Looks at all keys of the database (SCAN), which other users of that Redis do not notice; its
  // time grows with their number, and it gives up after five times the patience.
  std::vector<Listed> list(const std::string& after, std::size_t most) override;
  bool remove(const std::string& path) override;

 private:
  RedisReply ask(const std::vector<std::string_view>& words, const std::string& meta);
  void expect(bool good) const;

  RedisClient client_;
  std::chrono::milliseconds list_patience_;
};

}  // namespace script
