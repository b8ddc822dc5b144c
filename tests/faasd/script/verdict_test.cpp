#include "faasd/script/verdict.h"

#include <doctest/doctest.h>

#include "faasd/script/program.h"

using instance::Outcome;
using instance::Stream;
using script::Verdict;

namespace {

std::string http(const std::string& status, const std::string& body, const std::string& more = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         more + "\r\n" + body;
}

Verdict verdict(const std::string& reply, Outcome outcome = Outcome::ok, bool served = true,
                const std::string& printed = "") {
  script::Run run(1'000, std::make_shared<script::Budget>(1U << 20));
  run.write(Stream::out, printed);
  run.finish({});
  script::End end;
  end.reply = reply;
  end.receipt.served = served;
  end.receipt.outcome = outcome;
  end.receipt.reason = "the reason";
  end.receipt.usage.oom_kills = outcome == Outcome::oom ? 1 : 0;
  end.receipt.exit_code = outcome == Outcome::exit ? 3 : 0;
  return verdict_of(run, end);
}

}  // namespace

TEST_CASE("a result passes through as it was written") {
  const Verdict good = verdict(
      http("200 OK", "{\"data\": [1e300,\n 10000000000000000000000],\r\n\"type\": \"json\"}\n"));
  CHECK(good.is_result());
  CHECK(good.json == "{\"data\": [1e300,  10000000000000000000000],  \"type\": \"json\"}");
}

TEST_CASE("who returned nothing has returned what it printed") {
  CHECK(verdict(http("200 OK", "{}"), Outcome::ok, true, "a\nb\n").json ==
        R"({"data":"a\nb","type":"text"})");
  CHECK(verdict("", Outcome::ok, true, "bye").json == R"({"data":"bye","type":"text"})");
}

TEST_CASE("an error is the script's") {
  const Verdict failed =
      verdict(http("500 Error", R"({"error": "no", "code": "script_failed", "line": 3})"));
  CHECK(failed.status == 500);
  CHECK(failed.json == R"({"error": "no", "code": "script_failed", "line": 3})");
}

TEST_CASE("how it ended is said where there is no reply") {
  CHECK(verdict("", Outcome::timeout).status == 504);
  CHECK(verdict("", Outcome::timeout).json == R"({"error":"the reason","code":"timeout"})");
  CHECK(verdict("", Outcome::oom).json.find("out_of_memory") != std::string::npos);
  CHECK(verdict("", Outcome::exit).json ==
        R"({"error":"the script exited with 3","code":"script_failed"})");
  CHECK(verdict("", Outcome::signal).status == 500);
  CHECK(verdict("HTTP/1.1 200 OK\r\nContent-Le", Outcome::timeout).status == 504);
}

TEST_CASE("nonsense is a 502, and never believed") {
  const std::string good = R"({"data": 1, "type": "number"})";
  for (const std::string& reply :
       {std::string("nonsense"), std::string("\0\0\0", 3), http("200 OK", "nonsense"),
        http("200 OK", "[1]"), http("200 OK", R"({"data": 1})"),
        http("200 OK", R"({"data": 1, "type": "html"})"),
        http("200 OK", R"({"data": 1, "type": "number", "x": 2})"), http("201 Created", good),
        http("302 Found", good), http("503 Later", R"({"error": "e", "code": "c"})"),
        http("500 Error", good), http("200 OK", good) + "more", http("2000 OK", good),
        http("200 OK", good, "Transfer-Encoding: chunked\r\n"), "HTTP/1.1 200 OK\r\n\r\n" + good,
        "HTTP/1.0 200 OK\r\nContent-Length: 29\r\n\r\n" + good,
        http("200 OK", "{\"data\": " + std::string(100'000, '[') + std::string(100'000, ']') +
                           ", \"type\": \"json\"}"),
        http("-20 OK", good)}) {
    CAPTURE(reply.substr(0, 100));
    const Verdict bad = verdict(reply);
    CHECK(bad.status == 502);
    CHECK(bad.json.find("bad_reply") != std::string::npos);
  }
}

TEST_CASE("memory that all runs have used up is nobody's own fault, and is told as such") {
  const script::Run run(1'000, std::make_shared<script::Budget>(1U << 20));
  script::End end;
  end.receipt.served = true;
  end.receipt.outcome = Outcome::ok;
  end.reply_cut = script::Cut::no_memory;
  const Verdict starved = verdict_of(run, end);
  CHECK(starved.status == 503);
  CHECK(starved.retry_after == "5");
  CHECK(starved.json.find("no_memory_for_replies") != std::string::npos);
  CHECK(script::end_of_program(run, end).refusal_status == 503);
  CHECK(script::end_of_program(run, end).retry_after == "5");
  end.reply_cut = script::Cut::too_much;
  CHECK(verdict_of(run, end).status == 500);
  CHECK(verdict_of(run, end).json.find("result_too_large") != std::string::npos);
  CHECK(script::end_of_program(run, end).stages["run"]["message"] ==
        "its reply is larger than 4194304 bytes");
  // Output that is not there is missing only where it is the result.
  end.reply_cut = script::Cut::none;
  end.output_cut = script::Cut::no_memory;
  CHECK(verdict_of(run, end).status == 503);
  end.reply = http("200 OK", "{}");
  CHECK(verdict_of(run, end).status == 503);
  end.reply = http("200 OK", R"({"data": 1, "type": "number"})");
  CHECK(verdict_of(run, end).status == 200);
  CHECK(script::end_of_program(run, end).refusal_status == 503);
}

TEST_CASE("what the daemon answers itself is passed on, as a script's it would be nonsense") {
  const std::string busy = http("503 Service Unavailable",
                                R"({"code":"no_capacity","error":"full"})", "Retry-After: 7\r\n");
  const Verdict refused = verdict(busy, Outcome::refused, false);
  CHECK(refused.status == 503);
  CHECK(refused.retry_after == "7");
  CHECK(refused.json == R"({"code":"no_capacity","error":"full"})");
  CHECK(verdict(busy, Outcome::ok, true).status == 502);
  CHECK(verdict("", Outcome::launch_failed, false).status == 502);
}

TEST_CASE("an object of a great many members is no reply") {
  std::string body = "{\"a\":0";
  for (int i = 0; i < 100; ++i) body += ",\"" + std::to_string(i) + "\":0";
  CHECK(verdict(http("200 OK", body + "}")).json.find("bad_reply") != std::string::npos);
  CHECK(verdict(http("500 Error", body + R"(,"error":"x","code":"y"})")).status == 502);
}
