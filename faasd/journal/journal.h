// What is kept of invocations: the receipts and the output of each function, bounded, below the
// state directory. A Book is one function's; its versions share it. Thread-safe.
// docs/OPERATIONS.md, "The journal".
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "faasd/journal/scribe.h"
#include "faasd/journal/series.h"
#include "oci/sys/log.h"

namespace journal {

enum class Kind { receipts, output };

// Outlived by its Journal.
class Book {
 public:
  Book(Scribe& scribe, const std::filesystem::path& directory);

  // Never waits. `bytes` as Scribe::hand_in has it.
  void add(Kind kind, std::size_t bytes, Scribe::Maker maker);

  // Series::tail and Series::follow, with all that was added before.
  std::vector<std::string> tail(Kind kind, std::size_t count);
  std::shared_ptr<Follower> follow(Kind kind, std::size_t count, std::uint64_t after);

  void close();

 private:
  const std::shared_ptr<Series>& series(Kind kind) const noexcept {
    return kind == Kind::receipts ? receipts_ : output_;
  }

  Scribe& scribe_;
  std::shared_ptr<Series> receipts_;
  std::shared_ptr<Series> output_;
};

class Journal {
 public:
  Journal(const std::filesystem::path& state_dir, const sys::Log& log);

  // That of a function, made if there is none; nothing is on the disk before something is added.
  std::shared_ptr<Book> book(const std::string& function);
  // Forgets what there is of a function, and what is yet to come from those who have its book.
  void remove(const std::string& function);
  // Removes the books of functions that are not named: a crash leaves them.
  void keep_only(const std::set<std::string>& functions);

  std::uint64_t lost() const noexcept { return scribe_.lost(); }

 private:
  std::filesystem::path directory_;
  Scribe scribe_;
  std::mutex mutex_;  // guards the below
  std::map<std::string, std::shared_ptr<Book>> books_;
};

}  // namespace journal
