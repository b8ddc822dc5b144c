// The thread that writes records to disk, so that nobody else waits for it: a queue with a bound in
// front of a number of Series. What finds no room is dropped, counted, and said in the log. Any
// thread may hand something in.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <thread>
#include <vector>

#include "faasd/journal/series.h"
#include "oci/sys/log.h"

namespace journal {

class Scribe {
 public:
  // A record, made on the scribe's thread.
  using Maker = std::function<nlohmann::ordered_json()>;

  explicit Scribe(const sys::Log& log);
  // Writes what was handed in before.
  ~Scribe();
  Scribe(const Scribe&) = delete;
  Scribe& operator=(const Scribe&) = delete;

  // `bytes` is what it holds in memory, about; the record is dropped if more than `bound` of them
  // wait already.
  void hand_in(std::shared_ptr<Series> series, std::size_t bytes, std::size_t bound, Maker maker);

  // Waits until what was handed in before is written, or dropped; not for longer than `patience`.
  void wait(std::chrono::milliseconds patience);

  // Records that were dropped, or could not be written, since the start.
  std::uint64_t lost() const noexcept { return lost_total_; }

 private:
  struct Task {
    std::shared_ptr<Series> series;
    std::size_t bytes = 0;
    Maker maker;
  };
  using Lost = std::map<std::shared_ptr<Series>, std::size_t>;

  void run();
  void write(const std::vector<Task>& tasks);
  void write(Series& series, const std::vector<nlohmann::ordered_json>& records);
  void complain(const Lost& lost);

  const sys::Log& log_;
  std::atomic<std::uint64_t> lost_total_ = 0;
  bool failing_ = false;  // the scribe's thread alone

  std::mutex mutex_;  // guards all of the below
  std::condition_variable wake_;
  std::condition_variable written_;
  std::vector<Task> tasks_;
  std::size_t waiting_bytes_ = 0;
  Lost lost_;
  std::uint64_t handed_in_ = 0;
  std::uint64_t done_ = 0;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace journal
