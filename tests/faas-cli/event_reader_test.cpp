#include "faas-cli/event_reader.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "faas-cli/failure.h"

namespace {

using Events = std::vector<std::pair<std::string, std::string>>;

Events events_in(const std::string& text, std::size_t piece) {
  Events events;
  cli::EventReader reader(
      [&](const std::string& name, const std::string& data) { events.emplace_back(name, data); });
  for (std::size_t at = 0; at < text.size(); at += piece) {
    reader.take(std::string_view(text).substr(at, piece));
  }
  return events;
}

}  // namespace

TEST_CASE("events are found however they are cut, and comments and numbers passed over") {
  const std::string text =
      "id: 1\ndata: {\"a\":1}\n\n:\n\nevent: missed\ndata: 17\n\nid: 2\ndata:{}\n\ndata: torn\n";
  const Events wanted = {{"message", "{\"a\":1}"}, {"missed", "17"}, {"message", "{}"}};
  for (std::size_t piece : {1, 2, 7, 1000}) CHECK(events_in(text, piece) == wanted);
}

TEST_CASE("a line without an end is not waited for forever") {
  CHECK_THROWS_AS(events_in(std::string(4 << 20, 'x'), 65'536), cli::Failure);
}
