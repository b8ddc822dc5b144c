#include "faasd/instance/receipt.h"

#include <nlohmann/json.hpp>

#include "oci/sys/clock.h"

namespace instance {
namespace {

using nlohmann::ordered_json;

// What a receipt takes in memory until it is written: its strings, mostly.
constexpr std::size_t kReceiptBytes = 1024;

// Milliseconds with the microseconds behind the point: a warm start takes less than one.
double to_ms(std::chrono::microseconds time) {
  return static_cast<double>(time.count()) / 1000;
}

ordered_json cpu_ms(const sys::CgroupUsage& usage) {
  return usage.cpu ? ordered_json(to_ms(*usage.cpu)) : ordered_json();
}

ordered_json memory_peak(const sys::CgroupUsage& usage) {
  return usage.memory_peak_bytes ? ordered_json(*usage.memory_peak_bytes) : ordered_json();
}

std::string_view start_word(const Receipt& receipt) {
  if (receipt.warm) return "warm";
  return receipt.branched ? "branched" : "cold";
}

void log_receipt(const sys::Log& log, const Receipt& r) {
  log.info("receipt", {{"function", r.function},
                       {"instance", r.instance},
                       {"version", r.version},
                       {"image", r.image},
                       {"launcher", r.launcher},
                       {"start", start_word(r)},
                       {"queue_ms", to_ms(r.queue)},
                       {"launch_ms", to_ms(r.launch)},
                       {"run_ms", to_ms(r.run)},
                       {"outcome", to_word(r.outcome)},
                       {"exit_code", r.exit_code},
                       {"signal", r.signal},
                       {"escapes", r.escapes},
                       {"reason", r.reason}});
}

}  // namespace

std::string_view to_word(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "ok";
    case Outcome::exit:
      return "exit";
    case Outcome::signal:
      return "signal";
    case Outcome::timeout:
      return "timeout";
    case Outcome::oom:
      return "oom";
    case Outcome::launch_failed:
      return "launch_failed";
    case Outcome::refused:
      return "refused";
  }
  return "unknown";
}

ordered_json to_json(const Receipt& r) {
  ordered_json json = {{"instance", r.instance},
                       {"function", r.function},
                       {"version", r.version},
                       {"image", r.image},
                       {"started_at", sys::rfc3339(r.started_at)},
                       {"queue_ms", to_ms(r.queue)},
                       {"launch_ms", to_ms(r.launch)},
                       {"run_ms", to_ms(r.run)},
                       {"cpu_ms", cpu_ms(r.usage)},
                       {"memory_peak_bytes", memory_peak(r.usage)},
                       {"bytes_in", r.traffic.in},
                       {"bytes_out", r.traffic.out},
                       {"start", start_word(r)},
                       {"launcher", r.launcher},
                       {"outcome", to_word(r.outcome)},
                       {"exit_code", r.exit_code},
                       {"signal", r.signal},
                       {"escapes", r.escapes}};
  if (!r.reason.empty()) json["reason"] = r.reason;
  return json;
}

void record(const sys::Log& log, journal::Book& book, const Receipt& receipt) {
  book.add(journal::Kind::receipts, kReceiptBytes + receipt.reason.size(),
           [receipt] { return to_json(receipt); });
  log_receipt(log, receipt);
}

}  // namespace instance
