#include "faas-cli/record_text.h"

#include <doctest/doctest.h>

using cli::Json;

namespace {

const Json kReceipt = {{"id", 1},
                       {"instance", "0123456789abcdef"},
                       {"function", "hello"},
                       {"version", 3},
                       {"started_at", "2026-01-31T12:00:00.000Z"},
                       {"queue_ms", 0.0},
                       {"launch_ms", 31.25},
                       {"run_ms", 1500.7},
                       {"cpu_ms", 12.04},
                       {"memory_peak_bytes", 6291456U},
                       {"bytes_in", 78U},
                       {"bytes_out", 2048U},
                       {"start", "cold"},
                       {"outcome", "exit"},
                       {"exit_code", 3},
                       {"signal", 0},
                       {"escapes", 0}};

}  // namespace

TEST_CASE("a receipt is one line under its titles") {
  CHECK(cli::receipt_title() ==
        "TIME                      INSTANCE  VERSION  OUTCOME            QUEUE     LAUNCH        "
        "RUN        CPU      MEMORY          IN         OUT  DETAILS\n");
  CHECK(cli::receipt_line(kReceipt) ==
        "2026-01-31T12:00:00.000Z  01234567        3  exit              0.0 ms    31.2 ms      "
        "1.5 s    12.0 ms       6 MiB        78 B       2 KiB  exit code 3\n");
}

TEST_CASE("what is not known is a dash, and a reason comes last") {
  Json receipt = kReceipt;
  receipt["instance"] = "";
  receipt["cpu_ms"] = nullptr;
  receipt.erase("memory_peak_bytes");
  receipt["outcome"] = "refused";
  receipt["exit_code"] = 0;
  receipt["reason"] = "no room\x1b[2J\n";
  const std::string line = cli::receipt_line(receipt);
  CHECK(line.find("  -    ") != std::string::npos);
  CHECK(line.ends_with("  no room\\x1b[2J\\x0a\n"));
  for (const char* odd : {"{}", "{\"version\":[1],\"run_ms\":\"x\"}"}) {
    CAPTURE(odd);
    CHECK(cli::receipt_line(Json::parse(odd)).ends_with("\n"));
  }
}

TEST_CASE("a line of output has its time and instance, and cannot touch the terminal") {
  Json record = {{"time", "2026-01-31T12:00:00.000Z"},
                 {"instance", "0123456789abcdef"},
                 {"stream", "stdout"},
                 {"text", "\x1b]0;evil\x07 caf\xc3\xa9"}};
  CHECK(cli::output_line(record) ==
        "2026-01-31T12:00:00.000Z  01234567  \\x1b]0;evil\\x07 caf\xc3\xa9\n");
  record["dropped_bytes"] = 1234;
  CHECK(cli::output_line(record) ==
        "2026-01-31T12:00:00.000Z  01234567  [its stdout was cut: 1234 bytes more]\n");
}
