// Counts of one function's invocations, for /metrics: what became of them, how long they took. The
// event loop alone counts, with plain stores; any thread reads, and never keeps it waiting. What is
// counted is what the receipts say, since the daemon's start.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "faasd/instance/receipt.h"

namespace serve {

// Upper bounds in seconds: from a warm start to the longest default timeout and its queue.
inline constexpr std::array<double, 16> kBuckets = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};

struct HistogramCounts {
  std::array<std::uint64_t, kBuckets.size() + 1> buckets{};  // each for itself; the last: beyond
  double sum_seconds = 0;
};

struct FunctionCounts {
  std::string function;
  std::array<std::uint64_t, instance::kOutcomes> outcomes{};
  HistogramCounts queue;
  HistogramCounts launch;  // of those whose handler took the connection
  HistogramCounts run;     // of the same
  std::uint64_t escapes = 0;
  std::uint64_t live = 0;
  std::uint64_t parked = 0;
  std::uint64_t queued = 0;
};

// Of the whole daemon, at one moment.
struct Metrics {
  std::vector<FunctionCounts> functions;  // by name
  std::uint64_t records_lost = 0;         // receipts and output that the journal had no room for
};

class Tally {
 public:
  void count(const instance::Receipt& receipt) noexcept;
  void set_load(std::size_t live, std::size_t parked, std::size_t queued) noexcept;
  FunctionCounts counts() const;

 private:
  using Counter = std::atomic<std::uint64_t>;
  struct Histogram {
    void add(std::chrono::microseconds time) noexcept;
    HistogramCounts counts() const;
    std::array<Counter, kBuckets.size() + 1> buckets{};
    Counter sum_us{0};
  };

  std::array<Counter, instance::kOutcomes> outcomes_{};
  Histogram queue_;
  Histogram launch_;
  Histogram run_;
  Counter escapes_{0};
  Counter live_{0};
  Counter parked_{0};
  Counter queued_{0};
};

// Those of the functions that there are. Thread-safe.
class Tallies {
 public:
  std::shared_ptr<Tally> begin(const std::string& function);
  void end(const std::string& function);
  std::vector<FunctionCounts> counts() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Tally>> tallies_;
};

}  // namespace serve
