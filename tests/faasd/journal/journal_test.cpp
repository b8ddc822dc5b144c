#include "faasd/journal/journal.h"

#include <doctest/doctest.h>

#include <future>
#include <nlohmann/json.hpp>

#include "faasd/function/bounds.h"
#include "tests/support/scratch.h"

namespace {

using journal::Journal;
using journal::Kind;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kSoon{10'000};

void add(journal::Book& book, Kind kind, const std::string& text, std::size_t bytes = 10) {
  book.add(kind, bytes, [text] { return nlohmann::ordered_json{{"text", text}}; });
}

std::vector<std::string> texts(const std::vector<std::string>& records) {
  std::vector<std::string> all;
  all.reserve(records.size());
  for (const std::string& record : records) all.push_back(json::parse(record)["text"]);
  return all;
}

struct Desk {
  support::Scratch scratch;
  sys::Log log{sys::LogLevel::error, sys::LogFormat::text};
};

}  // namespace

TEST_CASE("records are numbered, kept apart by kind and function, and outlive the daemon") {
  const Desk desk;
  {
    Journal journal(desk.scratch.path(), desk.log);
    add(*journal.book("a"), Kind::receipts, "one");
    add(*journal.book("a"), Kind::output, "line");
    add(*journal.book("b"), Kind::receipts, "other");
    CHECK(texts(journal.book("a")->tail(Kind::receipts, 10)) == std::vector<std::string>{"one"});
    add(*journal.book("a"), Kind::receipts, "two");
  }
  Journal journal(desk.scratch.path(), desk.log);
  add(*journal.book("a"), Kind::receipts, "three");
  const auto records = journal.book("a")->tail(Kind::receipts, 10);
  CHECK(texts(records) == std::vector<std::string>{"one", "two", "three"});
  CHECK(journal::id_of(records[0]) == 1);
  CHECK(journal::id_of(records[2]) == 3);
  CHECK(texts(journal.book("a")->tail(Kind::output, 10)) == std::vector<std::string>{"line"});
  CHECK(journal.lost() == 0);
}

TEST_CASE("what a container writes stays one line of ASCII") {
  const Desk desk;
  Journal journal(desk.scratch.path(), desk.log);
  const std::string hostile = "\x1b[2J\n{\"id\":9}\xff\xe2\x80\xae";
  add(*journal.book("a"), Kind::output, hostile);
  const auto records = journal.book("a")->tail(Kind::output, 10);
  REQUIRE(records.size() == 1);
  for (const char c : records[0]) CHECK((c >= ' ' && c < 0x7f));
  CHECK(json::parse(records[0])["text"] == "\x1b[2J\n{\"id\":9}\xef\xbf\xbd\xe2\x80\xae");
}

TEST_CASE("a follower hears the last records and then what comes") {
  const Desk desk;
  Journal journal(desk.scratch.path(), desk.log);
  const auto book = journal.book("a");
  for (const char* text : {"1", "2", "3"}) add(*book, Kind::receipts, text);
  const auto follower = book->follow(Kind::receipts, 2, 0);
  CHECK(texts(follower->wait(kSoon).lines) == std::vector<std::string>{"2", "3"});
  CHECK(follower->wait(milliseconds(0)).lines.empty());
  add(*book, Kind::receipts, "4");
  CHECK(texts(follower->wait(kSoon).lines) == std::vector<std::string>{"4"});
  // Who comes again with the number of the last one does not hear it twice.
  CHECK(texts(book->follow(Kind::receipts, 10, 3)->wait(kSoon).lines) ==
        std::vector<std::string>{"4"});
  journal.remove("a");
  CHECK(follower->wait(kSoon).ended);
}

TEST_CASE("a follower that does not read costs a bounded amount and is told what it missed") {
  journal::Follower follower;
  const std::string line(1000, 'x');
  const std::size_t fits = function::bounds::kMaxFollowerBytes / line.size();
  for (std::size_t i = 0; i < fits + 5; ++i) follower.put(line);
  const auto news = follower.wait(milliseconds(0));
  CHECK(news.missed == fits);
  CHECK(news.lines.size() == 5);
}

TEST_CASE("a function that is removed leaves nothing, and a new one of its name starts empty") {
  const Desk desk;
  Journal journal(desk.scratch.path(), desk.log);
  const auto old = journal.book("a");
  add(*old, Kind::receipts, "old");
  CHECK(old->tail(Kind::receipts, 1).size() == 1);
  journal.remove("a");
  CHECK_FALSE(std::filesystem::exists(desk.scratch.path() / "journal" / "a"));
  add(*old, Kind::receipts, "late");
  CHECK(old->tail(Kind::receipts, 1).empty());
  CHECK(journal.book("a")->tail(Kind::receipts, 1).empty());
  CHECK(journal.book("a")->follow(Kind::receipts, 1, 0)->wait(milliseconds(0)).lines.empty());
}

TEST_CASE("books of functions that are no more are removed at a start") {
  const Desk desk;
  {
    Journal journal(desk.scratch.path(), desk.log);
    add(*journal.book("kept"), Kind::receipts, "x");
    add(*journal.book("gone"), Kind::receipts, "x");
  }
  Journal journal(desk.scratch.path(), desk.log);
  journal.keep_only({"kept", "never-called"});
  CHECK(sys::list_directory(desk.scratch.path() / "journal") == std::vector<std::string>{"kept"});
}

TEST_CASE("output that comes faster than the disk takes it is dropped and counted") {
  const Desk desk;
  Journal journal(desk.scratch.path(), desk.log);
  const auto book = journal.book("a");
  std::promise<void> disk;
  const std::shared_future<void> ready = disk.get_future().share();
  book->add(Kind::output, 1, [ready] {
    ready.wait();
    return nlohmann::ordered_json{{"text", "slow"}};
  });
  const std::size_t half = function::bounds::kMaxWaitingOutputBytes / 2;
  for (int i = 0; i < 4; ++i) add(*book, Kind::output, "fast", half);
  CHECK(journal.lost() == 3);  // the slow one takes a byte, so only one half fits beside it
  add(*book, Kind::receipts, "receipt", half);
  CHECK(journal.lost() == 3);  // receipts have room of their own
  disk.set_value();
  CHECK(texts(book->tail(Kind::output, 10)) == std::vector<std::string>{"slow", "fast"});
  CHECK(book->tail(Kind::receipts, 10).size() == 1);
}
