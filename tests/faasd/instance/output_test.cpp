#include "faasd/instance/output.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "faasd/function/bounds.h"
#include "oci/sys/file.h"
#include "tests/support/scratch.h"

namespace {

// What the log wrote, as JSON, while `body` ran.
template <typename F>
std::vector<nlohmann::json> logged(F body) {
  const support::Scratch scratch;
  const sys::UniqueFd saved = sys::duplicate(STDERR_FILENO);
  const sys::UniqueFd file = sys::open_file(scratch.path() / "log", O_RDWR | O_CREAT, 0600);
  REQUIRE(::dup2(file.get(), STDERR_FILENO) == STDERR_FILENO);
  body();
  REQUIRE(::dup2(saved.get(), STDERR_FILENO) == STDERR_FILENO);
  std::vector<nlohmann::json> lines;
  std::istringstream text(sys::read_file(scratch.path() / "log", 10 << 20));
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

std::vector<nlohmann::json> logged_for(const std::string& written) {
  return logged([&] {
    const sys::Log log(sys::LogLevel::info, sys::LogFormat::json);
    sys::EventLoop loop;
    instance::Output output(loop, log, "f", "i", "stderr");
    for (std::size_t at = 0; at < written.size(); at += 4096) {
      sys::write_all(output.write_end(), std::string_view(written).substr(at, 4096), "pipe");
      const auto end = loop.after(std::chrono::milliseconds(0), [&] { loop.stop(); });
      loop.run();
    }
    output.finish();
  });
}

}  // namespace

TEST_CASE("each line of output is one line of the log, an unfinished one at the end too") {
  const auto lines = logged_for("one\ntwo\n\nlast");
  REQUIRE(lines.size() == 4);
  CHECK(lines[0]["line"] == "one");
  CHECK(lines[2]["line"] == "");
  CHECK(lines[3]["line"] == "last");
  CHECK(lines[0]["function"] == "f");
  CHECK(lines[0]["instance"] == "i");
  CHECK(lines[0]["stream"] == "stderr");
}

TEST_CASE("a flood is cut, and the log says how much was dropped") {
  const std::string flood(1 << 20, '\n');
  const auto lines = logged_for(flood);
  CHECK(lines.size() <= function::bounds::kMaxLoggedOutput / function::bounds::kLoggedLineCost + 2);
  CHECK(lines.back()["event"] == "output_cut");
  CHECK(lines.back()["dropped_bytes"].get<std::size_t>() > (1 << 19));
}

TEST_CASE("a line without an end is cut too") {
  const auto lines = logged_for(std::string(1 << 20, 'x'));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0]["line"].get<std::string>().size() == function::bounds::kMaxLoggedLine);
  CHECK(lines[1]["event"] == "output_cut");
}
