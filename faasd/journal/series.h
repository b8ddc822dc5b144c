// The records of one kind of one function: numbered, kept in a RingFile, told to followers. A
// number goes up by one with each record and goes on after a restart. Thread-safe; only the Scribe
// writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "faasd/journal/follower.h"
#include "faasd/journal/ring_file.h"

namespace journal {

class Series {
 public:
  // `directory` is the function's; `name` is the kind.
  Series(const std::filesystem::path& directory, const std::string& name, std::size_t file_bytes);

  // Throws std::system_error; then followers have heard of the records, and the file lacks some.
  void write(const std::vector<nlohmann::ordered_json>& records);

  // The last `count` records as JSON, the oldest first.
  std::vector<std::string> tail(std::size_t count) const;
  // Hears the last `count` first, those with a number up to `after` left out.
  std::shared_ptr<Follower> follow(std::size_t count, std::uint64_t after);

  // Ends the followers; what is written from now on is dropped.
  void close();

  const std::string& label() const noexcept { return label_; }  // "NAME/receipts", for the log

 private:
  std::uint64_t last_id();

  std::string label_;
  mutable std::mutex mutex_;  // guards all of the below
  RingFile file_;
  std::optional<std::uint64_t> last_id_;  // empty until it is needed
  std::list<std::weak_ptr<Follower>> followers_;
  bool closed_ = false;
};

// The number of a record; 0 if it has none.
std::uint64_t id_of(const std::string& record);

}  // namespace journal
