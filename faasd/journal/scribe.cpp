#include "faasd/journal/scribe.h"

#include <nlohmann/json.hpp>

namespace journal {

Scribe::Scribe(const sys::Log& log) : log_(log), thread_([this] { run(); }) {}

Scribe::~Scribe() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Scribe::hand_in(std::shared_ptr<Series> series, std::size_t bytes, std::size_t bound,
                     Maker maker) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_bytes_ + bytes > bound) {
      ++lost_[std::move(series)];
      ++lost_total_;
      return;
    }
    tasks_.push_back({std::move(series), bytes, std::move(maker)});
    waiting_bytes_ += bytes;
    ++handed_in_;
  }
  wake_.notify_one();
}

void Scribe::wait(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  written_.wait_for(lock, patience, [this, mark = handed_in_] { return done_ >= mark; });
}

void Scribe::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !tasks_.empty() || !lost_.empty(); });
    if (tasks_.empty() && lost_.empty()) return;
    std::vector<Task> tasks;
    Lost lost;
    tasks.swap(tasks_);
    lost.swap(lost_);
    lock.unlock();
    write(tasks);
    complain(lost);
    std::size_t bytes = 0;
    for (const Task& task : tasks) bytes += task.bytes;
    lock.lock();
    waiting_bytes_ -= bytes;
    done_ += tasks.size();
    written_.notify_all();
  }
}

// Each file is opened once for all that it gets now.
void Scribe::write(const std::vector<Task>& tasks) {
  std::map<Series*, std::vector<nlohmann::ordered_json>> records;
  for (const Task& task : tasks) records[task.series.get()].push_back(task.maker());
  for (const auto& [series, of_series] : records) write(*series, of_series);
}

void Scribe::write(Series& series, const std::vector<nlohmann::ordered_json>& records) {
  try {
    series.write(records);
    failing_ = false;
  } catch (const std::exception& error) {
    lost_total_ += records.size();
    if (failing_) return;  // a full disk is said once, until something can be written again
    failing_ = true;
    log_.error("journal_failed", {{"journal", series.label()}, {"reason", error.what()}});
  }
}

void Scribe::complain(const Lost& lost) {
  for (const auto& [series, count] : lost) {
    log_.warn("journal_dropped", {{"journal", series->label()},
                                  {"records", count},
                                  {"reason", "they came faster than the disk takes them"}});
  }
}

}  // namespace journal
