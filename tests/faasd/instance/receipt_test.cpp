#include "faasd/instance/receipt.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

using instance::Outcome;
using nlohmann::ordered_json;

TEST_CASE("a receipt in JSON has every member, in the units of its name") {
  instance::Receipt receipt;
  receipt.instance = "0123456789abcdef";
  receipt.function = "hello";
  receipt.version = 3;
  receipt.image = "sha256:00";
  receipt.launcher = "runc";
  receipt.started_at = std::chrono::system_clock::from_time_t(1'700'000'000);
  receipt.queue = std::chrono::microseconds(1'500);
  receipt.launch = std::chrono::microseconds(250);
  receipt.run = std::chrono::seconds(2);
  receipt.usage.cpu = std::chrono::microseconds(42'042);
  receipt.usage.memory_peak_bytes = 1 << 20;
  receipt.traffic = {5, 7};
  receipt.outcome = Outcome::exit;
  receipt.exit_code = 3;
  CHECK(instance::to_json(receipt) == ordered_json{{"instance", "0123456789abcdef"},
                                                   {"function", "hello"},
                                                   {"version", 3},
                                                   {"image", "sha256:00"},
                                                   {"started_at", "2023-11-14T22:13:20.000Z"},
                                                   {"queue_ms", 1.5},
                                                   {"launch_ms", 0.25},
                                                   {"run_ms", 2000.0},
                                                   {"cpu_ms", 42.042},
                                                   {"memory_peak_bytes", 1 << 20},
                                                   {"bytes_in", 5},
                                                   {"bytes_out", 7},
                                                   {"start", "cold"},
                                                   {"launcher", "runc"},
                                                   {"outcome", "exit"},
                                                   {"exit_code", 3},
                                                   {"signal", 0},
                                                   {"escapes", 0}});
}

TEST_CASE("what nobody measured is null, and a reason is there if there is one") {
  instance::Receipt receipt;
  receipt.reason = "no room";
  const ordered_json json = instance::to_json(receipt);
  CHECK(json["cpu_ms"].is_null());
  CHECK(json["memory_peak_bytes"].is_null());
  CHECK(json["outcome"] == "refused");
  CHECK(json["reason"] == "no room");
}

TEST_CASE("every outcome has a word of its own") {
  std::set<std::string_view> words;
  for (std::size_t i = 0; i < instance::kOutcomes; ++i) {
    words.insert(to_word(static_cast<Outcome>(i)));
  }
  CHECK(words.size() == instance::kOutcomes);
  CHECK_FALSE(words.contains("unknown"));
}
