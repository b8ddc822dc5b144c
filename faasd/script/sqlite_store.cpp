#include "faasd/script/sqlite_store.h"

#include <fcntl.h>
#include <sqlite3.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>

#include "faasd/function/bounds.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace script {
namespace {

namespace bounds = function::bounds;
namespace fs = std::filesystem;

// A lookup takes some 20 microseconds, so a thousand threads pass through these in a few
// milliseconds; each holds up to 2 MiB of pages.
constexpr std::size_t kReaders = 4;
// A file up to this size is checked as a whole at start, which takes a fraction of a second; of a
// larger one the table of paths, and damage elsewhere shows when it is read.
constexpr std::uintmax_t kCheckedBytes = 64u << 20;

constexpr std::uint64_t kApplicationId = 0x66616173;  // "faas": this file is ours
constexpr std::uint64_t kSchemaVersion = 1;
// A row of `version` is large, so what is looked for stands apart in indexes. Paths are blobs:
// compared byte by byte, NUL and invalid UTF-8 included.
constexpr const char* kSchema =
    "CREATE TABLE script(id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, language BLOB NOT NULL,"
    "  latest INTEGER NOT NULL);"
    "CREATE TABLE version(script INTEGER NOT NULL, version INTEGER NOT NULL,"
    "  language BLOB NOT NULL, code BLOB NOT NULL, compiled BLOB NOT NULL,"
    "  UNIQUE(script, version));"
    "PRAGMA application_id = 0x66616173; PRAGMA user_version = 1;";

constexpr const char* kAddScript =
    "INSERT INTO script(path, language, latest) VALUES(?1, ?2, ?3) ON CONFLICT(path) DO UPDATE"
    " SET language = excluded.language, latest = max(excluded.latest, latest + 1)"
    " RETURNING id, latest";
constexpr const char* kAddVersion =
    "INSERT INTO version(script, version, language, code, compiled) VALUES(?1, ?2, ?3, ?4, ?5)";
constexpr const char* kDropOldest =
    "DELETE FROM version WHERE script = ?1 AND version <= (SELECT version FROM version"
    " WHERE script = ?1 ORDER BY version DESC LIMIT 1 OFFSET ?2)";
constexpr const char* kFind =
    "SELECT v.version, v.language, v.code, v.compiled FROM script s JOIN version v"
    " ON v.script = s.id AND v.version = s.latest WHERE s.path = ?1";
constexpr const char* kFindVersion =
    "SELECT v.version, v.language, v.code, v.compiled FROM script s JOIN version v"
    " ON v.script = s.id AND v.version = ?2 WHERE s.path = ?1";
constexpr const char* kKeepCompiled =
    "UPDATE version SET compiled = ?3 WHERE script = (SELECT id FROM script WHERE path = ?1)"
    " AND version = ?2 AND code = ?4";
constexpr const char* kVersions =
    "SELECT s.language, s.latest, v.version FROM script s JOIN version v ON v.script = s.id"
    " WHERE s.path = ?1 ORDER BY v.version DESC";
constexpr const char* kList =
    "SELECT path, language, latest FROM script WHERE path > ?1 ORDER BY path LIMIT ?2";
constexpr const char* kRemoveVersions =
    "DELETE FROM version WHERE script = (SELECT id FROM script WHERE path = ?1)";
constexpr const char* kRemoveScript = "DELETE FROM script WHERE path = ?1 RETURNING id";

[[noreturn]] void refuse_file(const char* code, const std::string& file, const std::string& why) {
  throw sys::Refused(sys::Refusal::failed, code, "the store of scripts, " + file + ", " + why);
}

[[noreturn]] void refuse_damaged(const std::string& file, const std::string& reason) {
  refuse_file("corrupt_store", file,
              "is damaged or no database (" + reason +
                  "): move it away or put a copy in its place, and start faasd again");
}

// A database handle and its prepared statements. One thread at a time.
class Connection {
 public:
  explicit Connection(const std::string& file) : file_(file) {
    sqlite3* db = nullptr;
    const int result =
        ::sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    db_.reset(db);
    if (result != SQLITE_OK) fail();
    ::sqlite3_extended_result_codes(db, 1);
    ::sqlite3_busy_timeout(db, static_cast<int>(bounds::kStorePatience.count()));
    execute("PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON;");
  }

  void execute(const char* sql) {
    if (::sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
  }

  sqlite3_stmt* prepared(const char* sql) {
    const auto known = statements_.find(sql);
    if (known != statements_.end()) return known->second.get();
    sqlite3_stmt* statement = nullptr;
    if (::sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
        SQLITE_OK) {
      fail();
    }
    statements_[sql].reset(statement);
    return statement;
  }

  // After an error SQLite may have ended it itself.
  void roll_back() noexcept {
    if (::sqlite3_get_autocommit(db_.get()) == 0) {
      ::sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
  }

  [[noreturn]] void fail() const {
    const int error = ::sqlite3_errcode(db_.get()) & 0xff;
    std::string reason = ::sqlite3_errmsg(db_.get());
    const int system_error = ::sqlite3_system_errno(db_.get());
    if ((error == SQLITE_IOERR || error == SQLITE_CANTOPEN) && system_error != 0) {
      reason += std::string(": ") + ::strerror(system_error);
    }
    const std::string store = "the store of scripts, " + file_ + ", ";
    if (error == SQLITE_CORRUPT || error == SQLITE_NOTADB) refuse_damaged(file_, reason);
    if (error == SQLITE_FULL) {
      throw sys::Refused(sys::Refusal::exhausted, "store_full",
                         store + "has no room left on its disk: make some");
    }
    if (error == SQLITE_BUSY) {
      throw sys::Refused(sys::Refusal::unavailable, "store_unavailable",
                         store + "is locked by another process: end that, or try again");
    }
    throw sys::Refused(sys::Refusal::unavailable, "store_unavailable",
                       store + "cannot be used (" + reason + "): look at its disk");
  }

 private:
  struct Close {
    void operator()(sqlite3* db) const noexcept { ::sqlite3_close_v2(db); }
    void operator()(sqlite3_stmt* statement) const noexcept { ::sqlite3_finalize(statement); }
  };

  std::string file_;
  std::unique_ptr<sqlite3, Close> db_;
  // By address: each is one of the constants above.
  std::map<const char*, std::unique_ptr<sqlite3_stmt, Close>> statements_;
};

// One use of a prepared statement, over with the object. What is bound must outlive it.
class Query {
 public:
  Query(Connection& connection, const char* sql)
      : connection_(connection), statement_(connection.prepared(sql)) {}
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query() {
    ::sqlite3_reset(statement_);
    ::sqlite3_clear_bindings(statement_);
  }

  Query& bind(std::string_view bytes) {
    // No address at all would be NULL, not an empty blob.
    const char* data = bytes.empty() ? "" : bytes.data();
    return bound(::sqlite3_bind_blob64(statement_, ++parameters_, data, bytes.size(), nullptr));
  }
  Query& bind(std::uint64_t number) {
    constexpr std::uint64_t kMost = std::numeric_limits<sqlite3_int64>::max();
    return bound(::sqlite3_bind_int64(statement_, ++parameters_,
                                      static_cast<sqlite3_int64>(std::min(number, kMost))));
  }

  // False when there are no more rows.
  bool step() {
    const int result = ::sqlite3_step(statement_);
    if (result != SQLITE_ROW && result != SQLITE_DONE) connection_.fail();
    return result == SQLITE_ROW;
  }
  void finish() {
    while (step()) {
    }
  }

  std::string bytes(int column) const {
    const void* data = ::sqlite3_column_blob(statement_, column);
    const auto size = static_cast<std::size_t>(::sqlite3_column_bytes(statement_, column));
    return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
  }
  std::uint64_t number(int column) const {
    return static_cast<std::uint64_t>(::sqlite3_column_int64(statement_, column));
  }

 private:
  Query& bound(int result) {
    if (result != SQLITE_OK) connection_.fail();
    return *this;
  }

  Connection& connection_;
  sqlite3_stmt* statement_;
  int parameters_ = 0;
};

// Undone unless it is committed.
class Transaction {
 public:
  explicit Transaction(Connection& connection) : connection_(connection) {
    connection.execute("BEGIN IMMEDIATE");
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() { connection_.roll_back(); }

  void commit() { connection_.execute("COMMIT"); }

 private:
  Connection& connection_;
};

std::uint64_t number_of(Connection& connection, const char* sql) {
  Query query(connection, sql);
  return query.step() ? query.number(0) : 0;
}

void check_whole(Connection& connection, const std::string& file) {
  const bool small = fs::file_size(file) <= kCheckedBytes;
  Query query(connection, small ? "PRAGMA quick_check(1)" : "PRAGMA quick_check(script)");
  if (query.step() && query.bytes(0) != "ok") refuse_damaged(file, query.bytes(0));
}

void use_write_ahead_log(Connection& connection, const std::string& file) {
  Query query(connection, "PRAGMA journal_mode = WAL");
  if (query.step() && query.bytes(0) == "wal") return;
  refuse_file("unfit_store", file,
              "is on a file system that SQLite's WAL does not work on: put the state directory on "
              "a local disk");
}

// Makes the tables, or makes sure that they are ours.
void prepare_file(Connection& connection, const std::string& file) {
  if (number_of(connection, "SELECT count(*) FROM sqlite_schema") == 0) {
    use_write_ahead_log(connection, file);
    Transaction transaction(connection);
    connection.execute(kSchema);
    transaction.commit();
    return;
  }
  if (number_of(connection, "PRAGMA application_id") != kApplicationId) {
    refuse_damaged(file, "another program has made it");
  }
  const std::uint64_t version = number_of(connection, "PRAGMA user_version");
  if (version > kSchemaVersion) {
    refuse_file("newer_store", file,
                "was written by a later faasd (format " + std::to_string(version) +
                    ", this one knows " + std::to_string(kSchemaVersion) +
                    "): start that one, or move the file away");
  }
  check_whole(connection, file);
}

}  // namespace

// Connections that are lent to one thread at a time.
class SqliteStore::Connections {
 public:
  Connections(const std::string& file, std::size_t count) : file_(file) {
    for (std::size_t i = 0; i < count; ++i) idle_.push_back(std::make_unique<Connection>(file));
  }

  class Lease {
   public:
    explicit Lease(Connections& from) : from_(from), connection_(from.take()) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { from_.give_back(std::move(connection_)); }

    Connection& operator*() const noexcept { return *connection_; }
    Connection* operator->() const noexcept { return connection_.get(); }

   private:
    Connections& from_;
    std::unique_ptr<Connection> connection_;
  };

 private:
  std::unique_ptr<Connection> take() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, bounds::kStorePatience, [this] { return !idle_.empty(); })) {
      throw sys::Refused(sys::Refusal::unavailable, "store_unavailable",
                         "the store of scripts, " + file_ + ", is busy: try again");
    }
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }

  void give_back(std::unique_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(connection));  // never beyond its first capacity
    changed_.notify_one();
  }

  std::string file_;
  std::mutex mutex_;  // guards the below
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

SqliteStore::SqliteStore(const fs::path& state_dir) : file_((state_dir / "scripts.db").string()) {
  if (!fs::exists(file_)) {
    sys::open_file(file_, O_RDWR | O_CREAT | O_EXCL, 0600);
    sys::sync_directory(state_dir);
  }
  // The files that SQLite puts beside it get its mode.
  fs::permissions(file_, fs::perms::owner_read | fs::perms::owner_write);
  writer_ = std::make_unique<Connections>(file_, 1);
  {
    const Connections::Lease writer(*writer_);
    prepare_file(*writer, file_);
    // What one large upload has made of the log does not stay.
    writer->execute("PRAGMA journal_size_limit = 16777216");
  }
  readers_ = std::make_unique<Connections>(file_, kReaders);
}

SqliteStore::~SqliteStore() = default;

std::uint64_t SqliteStore::add(const Upload& upload) {
  check_bounds(upload);
  const Connections::Lease writer(*writer_);
  Transaction transaction(*writer);
  std::uint64_t script = 0;
  std::uint64_t version = 0;
  {
    Query query(*writer, kAddScript);
    query.bind(upload.path).bind(upload.language).bind(version_now());
    if (query.step()) {
      script = query.number(0);
      version = query.number(1);
    }
    query.finish();
  }
  Query(*writer, kAddVersion)
      .bind(script)
      .bind(version)
      .bind(upload.language)
      .bind(upload.code)
      .bind(upload.compiled)
      .finish();
  Query(*writer, kDropOldest).bind(script).bind(bounds::kMaxScriptVersions).finish();
  transaction.commit();
  return version;
}

std::optional<Script> SqliteStore::find(const std::string& path,
                                        std::optional<std::uint64_t> version) {
  const Connections::Lease reader(*readers_);
  Query query(*reader, version ? kFindVersion : kFind);
  query.bind(path);
  if (version) query.bind(*version);
  if (!query.step()) return std::nullopt;
  Script script;
  script.path = path;
  script.version = query.number(0);
  script.language = query.bytes(1);
  script.code = query.bytes(2);
  script.compiled = query.bytes(3);
  return script;
}

void SqliteStore::keep_compiled(const Script& script) {
  check_bounds(script);
  const Connections::Lease writer(*writer_);
  Query(*writer, kKeepCompiled)
      .bind(script.path)
      .bind(script.version)
      .bind(script.compiled)
      .bind(script.code)
      .finish();
}

std::optional<Versions> SqliteStore::versions(const std::string& path) {
  const Connections::Lease reader(*readers_);
  Query query(*reader, kVersions);
  query.bind(path);
  Versions versions;
  while (query.step()) {
    versions.language = query.bytes(0);
    versions.latest = query.number(1);
    versions.versions.push_back(query.number(2));
  }
  if (versions.versions.empty()) return std::nullopt;
  versions.path = path;
  return versions;
}

std::vector<Listed> SqliteStore::list(const std::string& after, std::size_t most) {
  const Connections::Lease reader(*readers_);
  Query query(*reader, kList);
  query.bind(after).bind(std::min(most, bounds::kMaxListedScripts));
  std::vector<Listed> scripts;
  while (query.step()) scripts.push_back({query.bytes(0), query.bytes(1), query.number(2)});
  return scripts;
}

bool SqliteStore::remove(const std::string& path) {
  const Connections::Lease writer(*writer_);
  Transaction transaction(*writer);
  Query(*writer, kRemoveVersions).bind(path).finish();
  bool found = false;
  {
    Query query(*writer, kRemoveScript);
    found = query.bind(path).step();
    query.finish();
  }
  transaction.commit();
  return found;
}

}  // namespace script
