// What is made of faas-execute's words, which the program may have written in its place.
#include "faasd/script/program.h"

#include <doctest/doctest.h>

namespace {

script::ProgramEnd end_of(const std::string& lines) {
  script::Run run(1'000, std::make_shared<script::Budget>(1U << 20));
  run.write(instance::Stream::out, "printed\n");
  run.finish({});
  script::End end;
  end.reply = "HTTP/1.1 200 OK\r\n\r\n" + lines;
  end.receipt.served = true;
  return end_of_program(run, end);
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("stages are what faas-execute says of them") {
  const script::ProgramEnd end = end_of(
      "{\"compile\":{\"code\":0,\"stderr\":\"a \\u00fc\",\"signal\":null,\"new\":[1]}}\n"
      "{\"run\":{\"code\":3,\"status\":\"RE\",\"cpu_time_ms\":12,\"memory_bytes\":4096}}\n");
  CHECK(end.stages["compile"]["stderr"] == "a ü");
  CHECK_FALSE(end.stages["compile"].contains("new"));
  CHECK(end.stages["run"]["code"] == 3);
  CHECK(end.stages["run"]["status"] == "RE");
  CHECK(end.stages["run"]["cpu_time"] == 12);
  CHECK(end.stages["run"]["memory"] == 4096);
  CHECK(end.stages["run"]["stdout"] == "printed\n");
}

TEST_CASE("what is no stage is as if nothing had been said") {
  for (const std::string& said :
       {std::string("[]"), std::string("7"), std::string("\"RE\""), std::string("{\"code\":\"0\"}"),
        std::string("{\"status\":1}"), std::string("{\"stdout\":[]}")}) {
    CAPTURE(said);
    CHECK(end_of("{\"run\":" + said + "}\n").stages["run"]["status"] == "XX");
  }
  // However often it is said.
  const std::string late = "{\"run\":{\"code\":0}}\n";
  CHECK(end_of(late).stages["run"]["code"] == 0);
  CHECK(end_of(repeated("{}\n", 100) + late).stages["run"]["status"] == "XX");
}
