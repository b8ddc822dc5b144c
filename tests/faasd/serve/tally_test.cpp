#include "faasd/serve/tally.h"

#include <doctest/doctest.h>

#include <numeric>

using instance::Outcome;
using instance::Receipt;
using std::chrono::microseconds;

namespace {

std::uint64_t total(const serve::HistogramCounts& counts) {
  return std::accumulate(counts.buckets.begin(), counts.buckets.end(), std::uint64_t{0});
}

}  // namespace

TEST_CASE("each receipt is counted once, by its outcome") {
  serve::Tally tally;
  Receipt receipt;
  receipt.outcome = Outcome::ok;
  receipt.served = true;
  receipt.launch = microseconds(500);  // just within the first bucket
  receipt.run = std::chrono::minutes(2);
  tally.count(receipt);
  receipt.outcome = Outcome::refused;
  receipt.served = false;
  receipt.queue = microseconds(501);
  receipt.escapes = 3;
  tally.count(receipt);
  const serve::FunctionCounts counts = tally.counts();
  CHECK(counts.outcomes[static_cast<std::size_t>(Outcome::ok)] == 1);
  CHECK(counts.outcomes[static_cast<std::size_t>(Outcome::refused)] == 1);
  CHECK(counts.escapes == 3);
  CHECK(total(counts.queue) == 2);
  CHECK(counts.queue.buckets[0] == 1);
  CHECK(counts.queue.buckets[1] == 1);
  CHECK(total(counts.launch) == 1);  // the refused one had none
  CHECK(counts.launch.buckets[0] == 1);
  CHECK(counts.run.buckets.back() == 1);
  CHECK(counts.run.sum_seconds == doctest::Approx(120));
}

TEST_CASE("functions come and go by name, and begin at zero") {
  serve::Tallies tallies;
  tallies.begin("b")->count(Receipt());
  tallies.begin("a")->set_load(2, 3, 5);
  auto counts = tallies.counts();
  REQUIRE(counts.size() == 2);
  CHECK(counts[0].function == "a");
  CHECK(counts[0].live == 2);
  CHECK(counts[0].parked == 3);
  CHECK(counts[0].queued == 5);
  tallies.end("b");
  CHECK(tallies.counts().size() == 1);
  tallies.begin("b");
  CHECK(total(tallies.counts()[1].queue) == 0);
}
