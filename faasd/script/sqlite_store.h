// Scripts in a SQLite database, `<state>/scripts.db`. A version that `add` returned outlives kill
// -9 and a power cut: WAL with an fsync for each upload (sqlite.org/wal.html). Readers have
// connections of their own and never wait for that. Room that removed scripts leave is used again,
// but a removal is written too: on a full disk, somebody has to make room first.
#pragma once

#include <filesystem>
#include <memory>

#include "faasd/script/script_store.h"

namespace script {

class SqliteStore : public ScriptStore {
 public:
  // Makes the file if it is not there. Throws Refused(failed, "corrupt_store") that names it if it
  // is damaged or somebody else's, (failed, "newer_store") if a later faasd has written it, and
  // (failed, "unfit_store") on a file system without shared memory. Damage that is found later is
  // "corrupt_store", too.
  explicit SqliteStore(const std::filesystem::path& state_dir);
  ~SqliteStore() override;

  const std::string& name() const noexcept override { return file_; }
  std::uint64_t add(const Upload& upload) override;
  std::optional<Script> find(const std::string& path,
                             std::optional<std::uint64_t> version) override;
  void keep_compiled(const Script& script) override;
  std::optional<Versions> versions(const std::string& path) override;
  std::vector<Listed> list(const std::string& after, std::size_t most) override;
  bool remove(const std::string& path) override;

 private:
  class Connections;

  std::string file_;
  std::unique_ptr<Connections> writer_;  // one: SQLite has one writer at a time
  std::unique_ptr<Connections> readers_;
};

}  // namespace script
