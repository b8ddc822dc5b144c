#include <doctest/doctest.h>

#include "faasd/function/function.h"
#include "oci/sys/error.h"

using function::Options;
using std::chrono::milliseconds;

namespace {

Options with(const std::string& key, const std::string& text) {
  Options options;
  function::set_option(options, key, text);
  return options;
}

}  // namespace

TEST_CASE("sizes, times and numbers are read with their units") {
  CHECK(with("memory", "64M").limits.memory_bytes == 64U << 20);
  CHECK(with("memory", "1.5G").limits.memory_bytes == 3ULL << 29);
  CHECK(with("memory", "8388608").limits.memory_bytes == 8U << 20);
  CHECK(with("tmpfs", "64K").limits.tmpfs_bytes == 64U << 10);
  CHECK(with("open_files", "64").limits.open_files == 64);
  CHECK(with("file_size", "1M").limits.file_size_bytes == 1U << 20);
  CHECK(with("output", "0").limits.output_bytes == 0);
  CHECK(with("cpus", "0.25").limits.cpus == doctest::Approx(0.25));
  CHECK(with("pids", "17").limits.pids == 17);
  CHECK(with("timeout", "250ms").limits.timeout == milliseconds(250));
  CHECK(with("timeout", "2m").limits.timeout == milliseconds(120'000));
  CHECK(with("queue_timeout", "3").limits.queue_timeout == milliseconds(3'000));
  CHECK(with("queue", "0").limits.queue == 0);
  CHECK(with("env", "A=b=c").env == std::vector<std::string>{"A=b=c"});
  CHECK(with("warm", "3").warm == function::Warm{false, 3});
  CHECK(with("warm", "auto").warm == function::Warm{true, 0});
  CHECK(with("protocol", "tcp").protocol == function::Protocol::tcp);
}

TEST_CASE("what is no such value is refused with the option, the text and what would be right") {
  const struct {
    const char* key;
    const char* text;
  } table[] = {{"memory", ""},        {"memory", "-1M"},
               {"memory", "1Q"},      {"memory", "1M junk"},
               {"memory", "nan"},     {"memory", "inf"},
               {"memory", "1"},       {"memory", "2000000T"},
               {"memory", "1e3M"},    {"memory", "0x10M"},
               {"cpus", "0"},         {"cpus", "-1"},
               {"cpus", "one"},       {"pids", "15"},
               {"pids", "1.5"},       {"pids", "99999999999999999999"},
               {"timeout", "0s"},     {"timeout", "25h"},
               {"timeout", "5 s"},    {"concurrency", "0"},
               {"queue", "-1"},       {"env", "NOVALUE"},
               {"env", "=x"},         {"protocol", "udp"},
               {"mode", "branched?"}, {"warm", "many"},
               {"warm", "257"},       {"warm", "-1"},
               {"open_files", "1"},   {"open_files", "2000000"},
               {"file_size", "1"},    {"output", "257K"},
               {"output", "-1"}};
  for (const auto& row : table) {
    CAPTURE(row.key);
    CAPTURE(row.text);
    try {
      with(row.key, row.text);
      FAIL("accepted");
    } catch (const sys::Refused& refused) {
      CHECK(refused.reason() == sys::Refusal::invalid);
      CHECK(refused.code() == "bad_option");
    }
  }
  CHECK_THROWS_AS(with("nonsense", "1"), sys::Refused);
}

TEST_CASE("an environment has a bound") {
  Options options;
  CHECK_THROWS_AS(function::set_option(options, "env", "A=" + std::string(200'000, 'x')),
                  sys::Refused);
  for (int i = 0; i < 1024; ++i) function::set_option(options, "env", "K=v");
  CHECK_THROWS_AS(function::set_option(options, "env", "K=v"), sys::Refused);
}
