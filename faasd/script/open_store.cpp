#include "faasd/script/open_store.h"

#include "faasd/script/redis_store.h"
#include "faasd/script/sqlite_store.h"

namespace script {
namespace {

constexpr const char* kSqlite = "sqlite";

}  // namespace

void check_store(const std::string& spec) {
  if (spec != kSqlite) parse_redis_address(spec);
}

std::unique_ptr<ScriptStore> open_store(const std::string& spec,
                                        const std::filesystem::path& state_dir) {
  if (spec == kSqlite) return std::make_unique<SqliteStore>(state_dir);
  return std::make_unique<RedisStore>(parse_redis_address(spec));
}

}  // namespace script
