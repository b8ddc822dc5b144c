#include "handlers/execute/report.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <csignal>
#include <nlohmann/json.hpp>

namespace {

using execute::Cut;
using execute::Outcome;
using nlohmann::json;

// As wait(2) has them: W_EXITCODE.
constexpr int exited(int code) {
  return code << 8;
}

Outcome outcome(int wait_status, Cut cut = Cut::none) {
  Outcome result;
  result.wait_status = wait_status;
  result.cut = cut;
  return result;
}

json run_of(const Outcome& result) {
  return json::parse(execute::run_line(result, "program")).at("run");
}

void check(const json& result, const json& code, const json& signal, const json& status) {
  CAPTURE(result.dump());
  CHECK(result.at("code") == code);
  CHECK(result.at("signal") == signal);
  CHECK(result.at("status") == status);
  CHECK(result.at("message").is_null() == status.is_null());
}

TEST_CASE("the words of an end are those of Piston") {
  check(run_of(outcome(exited(0))), 0, nullptr, nullptr);
  check(run_of(outcome(exited(3))), 3, nullptr, "RE");
  check(run_of(outcome(SIGSEGV)), nullptr, "SIGSEGV", "SG");
  check(run_of(outcome(SIGKILL)), nullptr, "SIGKILL", "SG");
  check(run_of(outcome(SIGABRT | 0x80)), nullptr, "SIGABRT", "SG");  // with a core
  check(run_of(outcome(40)), nullptr, "SIG40", "SG");
  check(run_of(outcome(SIGKILL, Cut::timed_out)), nullptr, "SIGKILL", "TO");
  check(run_of(outcome(SIGKILL, Cut::stdout_too_long)), nullptr, "SIGKILL", "OL");
  check(run_of(outcome(exited(0), Cut::stderr_too_long)), nullptr, "SIGKILL", "EL");
}

TEST_CASE("only what has ended well is followed by a run") {
  CHECK(execute::succeeded(outcome(exited(0))));
  CHECK_FALSE(execute::succeeded(outcome(exited(1))));
  CHECK_FALSE(execute::succeeded(outcome(SIGSEGV)));
  CHECK_FALSE(execute::succeeded(outcome(exited(0), Cut::stdout_too_long)));
}

TEST_CASE("a program that cannot be executed is told as a shell tells it") {
  Outcome result = outcome(exited(127));
  result.start_error = ENOENT;
  check(run_of(result), 127, nullptr, "RE");
  CHECK(run_of(result).at("message") == "program: No such file or directory");
  const json compiled = json::parse(execute::compile_line(result, "gcc")).at("compile");
  CHECK(compiled.at("stderr") == "gcc: No such file or directory\n");
  CHECK(compiled.at("output") == "gcc: No such file or directory\n");
}

TEST_CASE("bytes that are no text are replaced, and a line is one line") {
  Outcome result = outcome(exited(0));
  result.out = "a\xff\nb";
  const std::string line = execute::compile_line(result, "cc");
  CHECK(line.find('\n') == line.size() - 1);
  const json compiled = json::parse(line).at("compile");
  CHECK(compiled.at("stdout") == "a\xef\xbf\xbd\nb");
  check(compiled, 0, nullptr, nullptr);
}

TEST_CASE("what a compiler printed is cut where its line would be too long, and there else") {
  constexpr std::size_t kReplyBytes = 4U << 20;
  Outcome result = outcome(exited(0));
  result.err = std::string(1'000'000, '\x01');
  result.output = result.err;
  const std::string flood = execute::compile_line(result, "cc");
  CHECK(flood.size() < kReplyBytes);
  json compiled = json::parse(flood).at("compile");
  CHECK(compiled.at("code") == 0);
  CHECK(compiled.at("stdout") == "");
  for (const char* text : {"stderr", "output"}) {
    const std::string said = compiled.at(text);
    CHECK(said.size() > 100'000);
    CHECK(said.find("\n[") < said.size() - 10);
    CHECK(said.ends_with(" bytes more]\n"));
  }
  result.out = result.err = std::string(1U << 20, '\xff');
  result.output = result.out + result.err;
  CHECK(execute::compile_line(result, "cc").size() < kReplyBytes);
  result.out = "";
  result.err = result.output = std::string(1U << 20, 'x');
  compiled = json::parse(execute::compile_line(result, "cc")).at("compile");
  CHECK(compiled.at("stderr") == result.err);
  CHECK(compiled.at("output") == result.err);
}

TEST_CASE("a run has no output in its line, and the cost in whole units") {
  Outcome result = outcome(exited(0));
  result.out = "not shown";
  result.usage.cpu = std::chrono::microseconds(1999);
  result.usage.memory_bytes = 4096;
  result.wall = std::chrono::milliseconds(7);
  const json run = run_of(result);
  CHECK_FALSE(run.contains("stdout"));
  CHECK(run.at("cpu_time_ms") == 1);
  CHECK(run.at("memory_bytes") == 4096);
  CHECK(run.at("wall_time_ms") == 7);
}

TEST_CASE("a stage that could not be is XX") {
  for (const char* stage : {"compile", "run"}) {
    const json result = json::parse(execute::failure_line(stage, "fork: no more")).at(stage);
    check(result, nullptr, nullptr, "XX");
    CHECK(result.contains("stdout") == (std::string(stage) == "compile"));
  }
}

}  // namespace
