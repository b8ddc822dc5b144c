#include "faasd/api/metrics_text.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <vector>

namespace {

// The lines of the text, each of which must be one that the format has.
std::vector<std::string> checked_lines(const std::string& text) {
  const std::regex comment("# (HELP|TYPE) [a-z_]+ .+");
  const std::regex sample(
      R"re([a-z_]+(\{[a-z]+="([^"\\]|\\[\\"n])*"(,[a-z]+="([^"\\]|\\[\\"n])*")*\})? [0-9.e+-]+)re");
  REQUIRE(text.ends_with('\n'));
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    CAPTURE(line);
    CHECK((std::regex_match(line, comment) || std::regex_match(line, sample)));
    lines.push_back(line);
  }
  return lines;
}

bool has(const std::vector<std::string>& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

serve::Metrics two_functions() {
  serve::Metrics metrics;
  metrics.records_lost = 7;
  metrics.functions.resize(2);
  metrics.functions[0].function = "busy";
  metrics.functions[0].outcomes[0] = 2;
  metrics.functions[0].outcomes[4] = 1;
  metrics.functions[0].queue.buckets = {1, 0, 1};
  metrics.functions[0].queue.buckets.back() = 1;
  metrics.functions[0].queue.sum_seconds = 90.25;
  metrics.functions[0].live = 3;
  metrics.functions[1].function = "idle";
  return metrics;
}

}  // namespace

TEST_CASE("the text is what Prometheus reads, and histograms add up") {
  const auto lines = checked_lines(api::metrics_text(two_functions(), "1.2.3"));
  CHECK(has(lines, "faasd_build_info{version=\"1.2.3\"} 1"));
  CHECK(has(lines, "faasd_functions 2"));
  CHECK(has(lines, "faasd_records_lost_total 7"));
  CHECK(has(lines, "faasd_invocations_total{function=\"busy\",outcome=\"ok\"} 2"));
  CHECK(has(lines, "faasd_invocations_total{function=\"busy\",outcome=\"oom\"} 1"));
  CHECK(has(lines, "faasd_queue_seconds_bucket{function=\"busy\",le=\"0.0005\"} 1"));
  CHECK(has(lines, "faasd_queue_seconds_bucket{function=\"busy\",le=\"0.001\"} 1"));
  CHECK(has(lines, "faasd_queue_seconds_bucket{function=\"busy\",le=\"60\"} 2"));
  CHECK(has(lines, "faasd_queue_seconds_bucket{function=\"busy\",le=\"+Inf\"} 3"));
  CHECK(has(lines, "faasd_queue_seconds_sum{function=\"busy\"} 90.25"));
  CHECK(has(lines, "faasd_queue_seconds_count{function=\"busy\"} 3"));
  CHECK(has(lines, "faasd_instances_live{function=\"busy\"} 3"));
}

TEST_CASE("a function that was never called has its gauges and nothing else") {
  const auto lines = checked_lines(api::metrics_text(two_functions(), "1"));
  const auto idle = std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.find("\"idle\"") != std::string::npos;
  });
  CHECK(idle == 4);
}

TEST_CASE("each name is described once and its samples follow it") {
  std::set<std::string> described;
  std::string current;
  for (const std::string& line : checked_lines(api::metrics_text(two_functions(), "1"))) {
    if (line.starts_with("# HELP ")) {
      current = line.substr(7, line.find(' ', 7) - 7);
      CHECK(described.insert(current).second);
    } else {
      CAPTURE(line);
      CHECK((line.starts_with("# TYPE " + current) || line.starts_with(current)));
    }
  }
}

TEST_CASE("no label can end its line or its quotes") {
  CHECK(api::escape_label("a\"b\\c\nd") == "a\\\"b\\\\c\\nd");
}
