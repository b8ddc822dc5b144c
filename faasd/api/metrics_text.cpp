#include "faasd/api/metrics_text.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace api {
namespace {

using serve::FunctionCounts;
using serve::HistogramCounts;

std::string number(double value) {
  char text[32];
  (void)std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

void begin(std::string& text, std::string_view name, std::string_view type, std::string_view help) {
  text.append("# HELP ").append(name).append(" ").append(help).append("\n");
  text.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

std::string of_function(const FunctionCounts& counts) {
  return "{function=\"" + escape_label(counts.function) + "\"";
}

void line(std::string& text, std::string_view name, std::string_view labels,
          const std::string& value) {
  text.append(name).append(labels).append(" ").append(value).append("\n");
}

void add_histogram(std::string& text, const std::string& name, const std::string& labels,
                   const HistogramCounts& counts) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts.buckets.size(); ++i) {
    total += counts.buckets[i];
    const std::string bound =
        i < serve::kBuckets.size() ? number(serve::kBuckets[i]) : std::string("+Inf");
    line(text, name + "_bucket", labels + ",le=\"" + bound + "\"}", std::to_string(total));
  }
  line(text, name + "_sum", labels + "}", number(counts.sum_seconds));
  line(text, name + "_count", labels + "}", std::to_string(total));
}

void add_histograms(std::string& text, const serve::Metrics& metrics) {
  struct Kind {
    const char* name;
    const char* help;
    HistogramCounts FunctionCounts::*counts;
  };
  constexpr std::array kKinds = {
      Kind{"faasd_queue_seconds", "How long connections waited for their turn.",
           &FunctionCounts::queue},
      Kind{"faasd_launch_seconds",
           "From the start of a container until its handler had the connection.",
           &FunctionCounts::launch},
      Kind{"faasd_run_seconds", "From there until the container had ended.", &FunctionCounts::run}};
  for (const Kind& kind : kKinds) {
    begin(text, kind.name, "histogram", kind.help);
    for (const FunctionCounts& function : metrics.functions) {
      const HistogramCounts& counts = function.*kind.counts;
      const bool used = std::any_of(counts.buckets.begin(), counts.buckets.end(),
                                    [](std::uint64_t count) { return count > 0; });
      if (used) add_histogram(text, kind.name, of_function(function), counts);
    }
  }
}

void add_each(std::string& text, const serve::Metrics& metrics, std::string_view name,
              std::string_view type, std::string_view help, std::uint64_t FunctionCounts::*count) {
  begin(text, name, type, help);
  for (const FunctionCounts& function : metrics.functions) {
    line(text, name, of_function(function) + "}", std::to_string(function.*count));
  }
}

}  // namespace

std::string escape_label(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '\n') {
      escaped += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string metrics_text(const serve::Metrics& metrics, std::string_view version) {
  std::string text;
  begin(text, "faasd_build_info", "gauge", "Always 1; the label says which faasd this is.");
  line(text, "faasd_build_info", "{version=\"" + escape_label(version) + "\"}", "1");
  begin(text, "faasd_functions", "gauge", "Functions that are served.");
  line(text, "faasd_functions", "", std::to_string(metrics.functions.size()));
  begin(text, "faasd_records_lost_total", "counter",
        "Receipts and lines of output that the journal had no room for.");
  line(text, "faasd_records_lost_total", "", std::to_string(metrics.records_lost));

  begin(text, "faasd_invocations_total", "counter",
        "Connections that are over, by what became of them: one for each receipt.");
  for (const FunctionCounts& function : metrics.functions) {
    for (std::size_t i = 0; i < function.outcomes.size(); ++i) {
      if (function.outcomes[i] == 0) continue;
      const std::string outcome(to_word(static_cast<instance::Outcome>(i)));
      line(text, "faasd_invocations_total", of_function(function) + ",outcome=\"" + outcome + "\"}",
           std::to_string(function.outcomes[i]));
    }
  }
  add_histograms(text, metrics);
  add_each(text, metrics, "faasd_instances_live", "gauge", "Instances that launch or serve.",
           &FunctionCounts::live);
  add_each(text, metrics, "faasd_instances_parked", "gauge",
           "Instances that wait for a connection.", &FunctionCounts::parked);
  add_each(text, metrics, "faasd_connections_queued", "gauge",
           "Connections that wait for an instance.", &FunctionCounts::queued);
  add_each(text, metrics, "faasd_escapes_total", "counter",
           "What instances tried and must not, and were kept from.", &FunctionCounts::escapes);
  return text;
}

}  // namespace api
