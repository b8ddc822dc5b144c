#include "faasd/instance/output.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "faasd/function/bounds.h"
#include "oci/sys/file.h"
#include "tests/support/scratch.h"

namespace {

constexpr std::uint64_t kMost = 128u << 10;

// The records that the journal has of an instance that wrote this.
std::vector<nlohmann::json> kept_of(const std::string& written, std::uint64_t most_bytes = kMost) {
  const support::Scratch scratch;
  const sys::Log log(sys::LogLevel::error, sys::LogFormat::json);
  journal::Journal journal(scratch.path(), log);
  sys::EventLoop loop;
  instance::Output output(loop, log, journal.book("f"), {"f", "i", "stderr"}, most_bytes);
  for (std::size_t at = 0; at < written.size(); at += 4096) {
    sys::write_all(output.write_end(), std::string_view(written).substr(at, 4096), "pipe");
    const auto end = loop.after(std::chrono::milliseconds(0), [&] { loop.stop(); });
    loop.run();
  }
  output.finish();
  std::vector<nlohmann::json> records;
  for (const std::string& record : journal.book("f")->tail(journal::Kind::output, 10'000)) {
    records.push_back(nlohmann::json::parse(record));
  }
  return records;
}

}  // namespace

TEST_CASE("each line of output is one record, an unfinished one at the end too") {
  const auto lines = kept_of("one\ntwo\n\nlast");
  REQUIRE(lines.size() == 4);
  CHECK(lines[0]["text"] == "one");
  CHECK(lines[2]["text"] == "");
  CHECK(lines[3]["text"] == "last");
  CHECK(lines[0]["instance"] == "i");
  CHECK(lines[0]["stream"] == "stderr");
}

TEST_CASE("a flood is cut, and the last record says how much was dropped") {
  const std::string flood(1 << 20, '\n');
  const auto lines = kept_of(flood);
  CHECK(lines.size() <= kMost / function::bounds::kLoggedLineCost + 2);
  CHECK(lines.back()["dropped_bytes"].get<std::size_t>() > (1 << 19));
}

TEST_CASE("a line that is too long for a record becomes several, and no byte is lost unsaid") {
  using function::bounds::kMaxLoggedLine;
  const auto lines = kept_of(std::string(kMaxLoggedLine, 'a') + "\n" +
                             std::string(2 * kMaxLoggedLine + 1, 'b') + "\nlast");
  std::vector<std::size_t> sizes;
  sizes.reserve(lines.size());
  for (const auto& line : lines) sizes.push_back(line["text"].get<std::string>().size());
  CHECK(sizes == std::vector<std::size_t>{kMaxLoggedLine, kMaxLoggedLine, kMaxLoggedLine, 1, 4});

  const std::size_t written = 1u << 20;
  const auto endless = kept_of(std::string(written, 'x'));
  std::size_t accounted = endless.back()["dropped_bytes"].get<std::size_t>();
  for (const auto& line : endless) accounted += line["text"].get<std::string>().size();
  CHECK(accounted == written);
  CHECK(written - endless.back()["dropped_bytes"].get<std::size_t>() <= kMost);
}

TEST_CASE("as much is kept as the function may have, nothing at all too") {
  const auto some = kept_of("one\ntwo\nthree\n", function::bounds::kLoggedLineCost);
  REQUIRE(some.size() == 2);
  CHECK(some[0]["text"] == "one");
  CHECK(some[1]["dropped_bytes"] == 10);
  const auto none = kept_of("one\n", 0);
  REQUIRE(none.size() == 1);
  CHECK(none[0]["dropped_bytes"] == 4);
}
