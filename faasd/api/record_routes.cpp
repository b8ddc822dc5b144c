#include "faasd/api/record_routes.h"

#include <charconv>
#include <chrono>

#include "faasd/api/metrics_text.h"
#include "faasd/function/bounds.h"
#include "faasd/function/function.h"

namespace api {
namespace {

using function::bounds::kFollowerLook;
using function::bounds::kHeartbeat;
using function::bounds::kMaxFollowers;
using function::bounds::kMaxTail;
using Clock = std::chrono::steady_clock;

// As many as fill a terminal or two.
constexpr std::size_t kDefaultTail = 100;

// A whole number from 0 to `most`.
std::size_t number_of(const std::string& key, const std::string& text, std::size_t most) {
  std::size_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || number > most) {
    throw HttpError(400, "bad_option",
                    "the option '" + key + "' is a number from 0 to " + std::to_string(most));
  }
  return number;
}

struct Query {
  std::size_t tail = kDefaultTail;
  bool follow = false;
};

Query query_of(const httplib::Request& asked) {
  Query query;
  for (const auto& [key, text] : asked.params) {
    if (asked.params.count(key) > 1) {
      throw HttpError(400, "bad_option", "the option '" + key + "' stands twice");
    }
    if (key == "tail") {
      query.tail = number_of(key, text, kMaxTail);
    } else if (key == "follow") {
      query.follow = number_of(key, text, 1) == 1;
    } else {
      throw HttpError(400, "unknown_option", "there is no option '" + key + "'");
    }
  }
  return query;
}

// The number of the last event that a client has had; browsers send it when they come again.
std::uint64_t last_event_id(const httplib::Request& asked) {
  const std::string text = asked.get_header_value("Last-Event-ID");
  std::uint64_t id = 0;
  std::from_chars(text.data(), text.data() + text.size(), id);
  return id;  // 0 for what is no number: then all of the tail is new
}

}  // namespace

// One follower's answer: events until its function is removed, it leaves, or the daemon stops.
class RecordRoutes::EventStream {
 public:
  explicit EventStream(RecordRoutes& routes) : routes_(routes) {
    if (++routes_.followers_ <= kMaxFollowers) return;
    --routes_.followers_;
    throw HttpError(503, "too_many_followers",
                    "there are " + std::to_string(kMaxFollowers) +
                        " followers already, which is the limit; try again");
  }
  ~EventStream() { --routes_.followers_; }
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  void start(std::shared_ptr<journal::Follower> follower) { follower_ = std::move(follower); }

  // Some more of it, perhaps nothing; false if the client has left.
  bool send(httplib::DataSink& sink) {
    const journal::Follower::News news = follower_->wait(kFollowerLook);
    std::string text;
    if (news.missed > 0) {
      text += "event: missed\ndata: " + std::to_string(news.missed) + "\n\n";
    }
    for (const std::string& line : news.lines) {
      text += "id: " + std::to_string(journal::id_of(line)) + "\ndata: " + line + "\n\n";
    }
    if (!sink.is_writable()) return false;
    const Clock::time_point now = Clock::now();
    const bool ended = news.ended || routes_.ending_;
    if (ended)
      text += std::string("event: end\ndata: ") + (news.ended ? "removed" : "stopping") + "\n\n";
    if (text.empty() && now - last_sent_ >= kHeartbeat) text = ":\n\n";
    if (!text.empty()) {
      last_sent_ = now;
      if (!sink.write(text.data(), text.size())) return false;
    }
    if (ended) sink.done();
    return true;
  }

 private:
  RecordRoutes& routes_;
  std::shared_ptr<journal::Follower> follower_;
  Clock::time_point last_sent_ = Clock::now();
};

void RecordRoutes::add_to(Router& router) {
  router.on_get(R"(/v1/functions/([\s\S]*)/receipts)",
                [this](const httplib::Request& asked, httplib::Response& response) {
                  answer(journal::Kind::receipts, asked, response);
                });
  router.on_get(R"(/v1/functions/([\s\S]*)/logs)",
                [this](const httplib::Request& asked, httplib::Response& response) {
                  answer(journal::Kind::output, asked, response);
                });
  router.on_get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
    response.set_content(metrics_text(operator_.metrics(), FAASD_VERSION),
                         "text/plain; version=0.0.4; charset=utf-8");
  });
}

void RecordRoutes::answer(journal::Kind kind, const httplib::Request& asked,
                          httplib::Response& response) {
  const std::string name = asked.matches[1];
  function::check_name(name);
  const Query query = query_of(asked);
  if (query.follow) return follow(kind, name, query.tail, asked, response);
  std::string text;
  for (const std::string& record : operator_.book(name)->tail(kind, query.tail)) {
    text += (text.empty() ? "[\n" : ",\n") + record;
  }
  text += text.empty() ? "[]\n" : "\n]\n";
  response.set_content(text, "application/json");
}

void RecordRoutes::follow(journal::Kind kind, const std::string& name, std::size_t tail,
                          const httplib::Request& asked, httplib::Response& response) {
  const std::shared_ptr<journal::Book> book = operator_.book(name);
  const auto stream = std::make_shared<EventStream>(*this);
  stream->start(book->follow(kind, tail, last_event_id(asked)));
  response.set_content_provider(
      "text/event-stream",
      [stream](std::size_t, httplib::DataSink& sink) { return stream->send(sink); });
}

}  // namespace api
