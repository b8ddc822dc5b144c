#include "faasd/script/run.h"

#include <doctest/doctest.h>

#include <thread>

#include "faasd/script/bounds.h"

using instance::Stream;
using script::Run;
using std::chrono::milliseconds;

namespace {

std::vector<std::string> texts(const std::vector<script::Line>& lines) {
  std::vector<std::string> found;
  found.reserve(lines.size());
  for (const script::Line& line : lines) found.push_back(line.text + (line.complete ? "$" : ""));
  return found;
}

using Texts = std::vector<std::string>;

std::shared_ptr<script::Budget> plenty() {
  return std::make_shared<script::Budget>(1U << 30);
}

}  // namespace

TEST_CASE("what a run writes becomes lines, each stream's its own") {
  Run run(1U << 20, plenty());
  run.write(Stream::out, "a");
  run.write(Stream::err, "x\ny");
  run.write(Stream::out, "b\n\nc");
  CHECK(texts(run.wait(0, milliseconds(0)).lines) == Texts{"x$", "ab$", "$"});
  run.finish({});
  const Run::News rest = run.wait(3, milliseconds(0));
  CHECK(texts(rest.lines) == Texts{"c", "y"});
  REQUIRE(rest.end);
  CHECK(run.text_of(Stream::out) == "ab\n\nc");
  CHECK(run.text_of(Stream::err) == "x\ny");
  CHECK(run.text() == "x\nab\n\ncy");
}

TEST_CASE("a line that does not end is cut, but never within a character") {
  Run run(1U << 20, plenty());
  const std::string part = std::string(script::bounds::kMaxLineBytes - 1, 'x');
  run.write(Stream::out, part + "\xc3\xa9-");
  run.finish({});
  CHECK(texts(run.wait(0, milliseconds(0)).lines) == Texts{part});
  CHECK(texts(run.wait(1, milliseconds(0)).lines) == Texts{"\xc3\xa9-"});
  CHECK(run.text_of(Stream::out) == part + "\xc3\xa9-");
}

TEST_CASE("bytes that are no characters are cut where the room ends") {
  Run run(1U << 20, plenty());
  const std::string odd(script::bounds::kMaxLineBytes + 10, '\x80');
  run.write(Stream::out, odd);
  run.finish({});
  CHECK(run.text_of(Stream::out) == odd);
}

TEST_CASE("what is beyond the bound is counted, and empty lines are not for nothing") {
  Run run(1'000, plenty());
  run.write(Stream::out, std::string(990, 'x'));
  CHECK_FALSE(run.is_full());
  run.write(Stream::out, std::string(990, 'y') + "\n");
  CHECK(run.is_full());
  run.finish({});
  CHECK(run.wait_for_end(milliseconds(0))->dropped_bytes == 981);
  Run lines(1'000, plenty());
  for (int i = 0; i < 1'000; ++i) lines.write(Stream::out, "\n");
  lines.finish({});
  CHECK(lines.wait(0, milliseconds(0)).lines.size() < 20);
  CHECK(lines.bytes() < 1'100);
}

TEST_CASE("news come in pieces, and the end with the last") {
  Run run(1U << 20, plenty());
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += std::to_string(i) + "\n";
  run.write(Stream::out, text);
  run.write(Stream::out, std::string(script::bounds::kMaxLineBytes, 'x'));
  run.finish({});
  std::size_t next = 0;
  std::size_t pieces = 0;
  std::string got;
  for (bool ended = false; !ended; ++pieces) {
    const Run::News news = run.wait(next, milliseconds(0));
    std::size_t bytes = 0;
    for (const script::Line& line : news.lines) {
      bytes += line.text.size();
      got += line.complete ? line.text + "\n" : line.text;
    }
    CHECK((bytes <= script::bounds::kNewsBytes || news.lines.size() == 1));
    next += news.lines.size();
    ended = news.end != nullptr;
    REQUIRE((ended || !news.lines.empty()));
  }
  CHECK(got == run.text());
  CHECK(pieces > 10);
}

TEST_CASE("the last words are made once, for all who hear them") {
  const Run run(1'000, plenty());
  const std::string& first = run.last_words([] { return "bye"; });
  CHECK(first == "bye");
  CHECK(&run.last_words([] { return "never made"; }) == &first);
}

TEST_CASE("who waits hears the end") {
  Run run(1'000, plenty());
  CHECK_FALSE(run.wait_for_end(milliseconds(0)));
  CHECK_FALSE(run.ended_at());
  std::thread other([&run] {
    script::End end;
    end.reply = "reply";
    run.finish(std::move(end));
  });
  const auto end = run.wait_for_end(milliseconds(60'000));
  other.join();
  REQUIRE(end);
  CHECK(end->reply == "reply");
  CHECK(run.ended_at());
}

TEST_CASE("all runs share a budget, and what one has had is given back with it") {
  constexpr std::size_t kOwn = script::bounds::kOwnBytes;
  const auto budget = std::make_shared<script::Budget>(1'000);
  {
    Run first(10 * kOwn, budget);
    first.write(Stream::out, std::string(kOwn + 600, 'x'));
    CHECK_FALSE(first.is_full());
    Run second(10 * kOwn, budget);
    CHECK_FALSE(second.take_room(kOwn + 401));
    CHECK(second.take_room(kOwn + 300));
    CHECK(second.take_room(kOwn + 300));  // the same once more
  }
  {
    Run chatty(kOwn + 100, budget);  // what is not kept costs nothing
    for (int i = 0; i < 1'000; ++i) chatty.write(Stream::out, std::string(600, 'x'));
    chatty.finish({});
    CHECK(chatty.wait_for_end(milliseconds(0))->output_cut == script::Cut::too_much);
  }
  Run third(10 * kOwn, budget);
  third.write(Stream::out, std::string(kOwn + 900, 'z'));
  CHECK_FALSE(third.is_full());
}

TEST_CASE("a run has its own share of memory when the budget has nothing left") {
  const auto budget = std::make_shared<script::Budget>(0);
  Run run(1U << 20, budget);
  CHECK(run.take_room(script::bounds::kOwnBytes));
  CHECK_FALSE(run.take_room(script::bounds::kOwnBytes + 1));
  run.write(Stream::out, std::string(1'000, 'a') + "\n");
  run.write(Stream::err, std::string(2 * script::bounds::kOwnBytes, 'b'));
  run.write(Stream::out, std::string(1'000, 'c'));
  run.finish({});
  CHECK(run.text_of(Stream::out) == std::string(1'000, 'a') + "\n");
  CHECK(run.text_of(Stream::err).size() > script::bounds::kOwnBytes - 2'000);
  CHECK(run.text().size() <= script::bounds::kOwnBytes);
  const auto end = run.wait_for_end(milliseconds(0));
  CHECK(end->output_cut == script::Cut::no_memory);
  CHECK(end->dropped_bytes + run.text().size() == 2'001 + 2 * script::bounds::kOwnBytes);
}

TEST_CASE("lines that are cut find the room that there is") {
  constexpr std::size_t kSize = 600'000;
  Run run(1U << 20, plenty());
  for (std::size_t at = 0; at < kSize; at += 1'000) run.write(Stream::out, std::string(1'000, 'x'));
  run.finish({});
  CHECK(run.text().size() == kSize);
  CHECK(run.wait_for_end(milliseconds(0))->output_cut == script::Cut::none);
}

TEST_CASE("a part of a budget is bounded by both, and no other part has less for it") {
  const auto whole = std::make_shared<script::Budget>(1'000);
  const auto hoard = std::make_shared<script::Budget>(600, whole);
  script::Budget other(600, whole);
  CHECK(hoard->take(600));
  CHECK_FALSE(hoard->take(1));
  CHECK_FALSE(other.take(401));
  CHECK(other.take(400));
  hoard->give_back(600);
  CHECK(other.take(200));
  CHECK_FALSE(other.take(1));
}
