#include "faasd/api/http_server.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "client.h"
#include "oci/sys/file.h"
#include "oci/sys/timed_io.h"

using api_test::body_of_answer;
using api_test::exchange;
using api_test::status_of_answer;
using std::chrono::milliseconds;

namespace {

constexpr sys::Ipv4 kLoopback{0x7f000001};
// Deadlines that a test waits for, and deadlines that it must never reach.
constexpr milliseconds kShort{100};
constexpr milliseconds kLong{60'000};

// Something that happens once and is waited for.
class Signal {
 public:
  void raise() {
    const std::lock_guard lock(mutex_);
    raised_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    CHECK(changed_.wait_for(lock, std::chrono::seconds(10), [&] { return raised_; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool raised_ = false;
};

// What stands at every path, for every method.
using Answering =
    std::function<void(const httplib::Request&, httplib::Response&, const httplib::ContentReader&)>;

void set_text(httplib::Response& response, const std::string& text) {
  response.set_content(text, "text/plain");
}

Answering always(const std::string& text) {
  return [text](auto&, httplib::Response& response, auto&) { set_text(response, text); };
}

// Answers with the body's size, having looked at every byte of it.
void count_body(const httplib::Request&, httplib::Response& response,
                const httplib::ContentReader& body) {
  std::uint64_t size = 0;
  bool all_x = true;
  body([&](const char* bytes, std::size_t n) {
    size += n;
    all_x = all_x && std::string_view(bytes, n).find_first_not_of('x') == std::string_view::npos;
    return true;
  });
  set_text(response, std::to_string(size) + (all_x ? " x" : " mixed"));
}

api::ServerOptions patient() {
  api::ServerOptions options;
  options.times = {kLong, kLong, kLong, kLong};
  return options;
}

// A server on a TCP port that the kernel chose, and on a Unix socket.
struct Served {
  sys::Log log{sys::LogLevel::error, sys::LogFormat::text};
  api_test::TemporaryDirectory directory;
  sys::TcpEndpoint endpoint;
  api::Router router{[](auto&) { return "anybody"; }, log};
  std::unique_ptr<api::HttpServer> server;

  explicit Served(const Answering& answer, const api::ServerOptions& options = patient()) {
    // A GET has no body to read.
    router.on_get(".*", [answer](const httplib::Request& request, httplib::Response& response) {
      answer(request, response, {[](auto) { return true; }, [](auto, auto) { return true; }});
    });
    router.on_post(".*", answer);
    std::vector<sys::UniqueFd> listeners;
    listeners.push_back(sys::listen_tcp({kLoopback, 0}, 128));
    endpoint = sys::local_endpoint(listeners.front().get());
    const sys::UniqueFd dir = sys::open_directory(directory.path());
    listeners.push_back(sys::listen_unix(dir.get(), "api.sock", 0600, 128));
    server = std::make_unique<api::HttpServer>(std::move(listeners), router, log, options);
    server->start();
  }

  sys::UniqueFd tcp() const { return api_test::connect_tcp(endpoint); }
  sys::UniqueFd unix_socket() const {
    return api_test::connect_unix(directory.path() / "api.sock");
  }
  std::string ask(std::string_view request) const { return exchange(tcp().get(), request); }
};

constexpr std::string_view kGet = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";

std::string post_head(const std::string& lines) {
  return "POST /x HTTP/1.1\r\nHost: localhost\r\n" + lines + "\r\n\r\n";
}

}  // namespace

TEST_CASE("a request is answered over TCP and over the Unix socket, and the connection closed") {
  const Served served([](const httplib::Request& request, httplib::Response& response, auto&) {
    set_text(response, request.method + " " + request.path.substr(1));
  });
  for (const sys::UniqueFd& client : {served.tcp(), served.unix_socket()}) {
    const std::string answer = exchange(client.get(), kGet);
    CHECK(status_of_answer(answer) == 200);
    CHECK(answer.find("\r\nConnection: close\r\n") != std::string::npos);
    CHECK(answer.find("\r\nContent-Length: 5\r\n") != std::string::npos);
    CHECK(body_of_answer(answer) == "GET x");
  }
}

TEST_CASE("HEAD is answered like GET, without the body") {
  const Served served(always("hello"));
  const std::string answer = served.ask("HEAD /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(answer.find("\r\nContent-Length: 5\r\n") != std::string::npos);
  CHECK(body_of_answer(answer).empty());
}

TEST_CASE("a second request on one connection is never read") {
  std::atomic<int> requests = 0;
  const Served served([&](auto&, httplib::Response& response, auto&) {
    ++requests;
    set_text(response, "once");
  });
  const std::string answer = served.ask(post_head("Content-Length: 3") + "abc" + std::string(kGet));
  CHECK(status_of_answer(answer) == 200);
  CHECK(answer.find("HTTP/1.1", 1) == std::string::npos);
  CHECK(requests == 1);
}

TEST_CASE("what the framing refuses is answered in JSON, and no handler sees it") {
  std::atomic<int> requests = 0;
  const Served served([&](auto&, auto&, auto&) { ++requests; });
  const std::vector<std::pair<std::string, int>> rows = {
      {post_head("Content-Length: 1\r\nTransfer-Encoding: chunked") + "0\r\n\r\n", 400},
      {post_head("Content-Length: 1\r\nContent-Length: 1") + "a", 400},
      {post_head("Content-Length : 1") + "a", 400},
      {"GET / HTTP/1.1\nHost: localhost\n\n", 400},
      {"\x16\x03\x01\x02", 400},  // TLS; ends below
      {"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505},
      {"GET /" + std::string(api::kMaxHeadBytes, 'a') + " HTTP/1.1\r\n", 431},
      {post_head("Expect: a-miracle\r\nContent-Length: 1"), 417},
  };
  for (const auto& row : rows) {
    CAPTURE(row.first.substr(0, 80));
    const sys::UniqueFd client = served.tcp();
    api_test::send_text(client.get(), row.first);
    sys::shutdown_write(client.get());
    const std::string answer = api_test::receive_all(client.get());
    CHECK(status_of_answer(answer) == row.second);
    CHECK(body_of_answer(answer).starts_with("{\"code\":\""));
  }
  CHECK(requests == 0);
}

TEST_CASE("a body arrives whole, by length and in chunks") {
  const Served served(count_body);
  CHECK(body_of_answer(served.ask(post_head("Content-Length: 3") + "xxx")) == "3 x");
  CHECK(body_of_answer(served.ask(post_head("Content-Length: 0"))) == "0 x");
  CHECK(body_of_answer(served.ask(post_head("A: b"))) == "0 x");
  CHECK(body_of_answer(served.ask(post_head("Transfer-Encoding: chunked") +
                                  "2\r\nxx\r\n1\r\ny\r\n0\r\n\r\n")) == "3 mixed");
  const sys::UniqueFd dribble = served.tcp();
  for (const char c : post_head("Transfer-Encoding: chunked") + "2\r\nxx\r\n0\r\n\r\n") {
    REQUIRE(api_test::send_text(dribble.get(), std::string_view(&c, 1)));
  }
  CHECK(body_of_answer(api_test::receive_all(dribble.get())) == "2 x");
}

TEST_CASE("a malformed or cut off body is refused") {
  const Served served(count_body);
  const std::string chunked = post_head("Transfer-Encoding: chunked");
  for (const std::string& request :
       {chunked + "0x10\r\n", chunked + "1_0\r\n", chunked + "+1\r\nx\r\n", chunked + "2\r\nxxx",
        chunked + "2\r\nx", chunked + "2\r\nxx\r\n", post_head("Content-Length: 3") + "xx"}) {
    CAPTURE(request);
    const sys::UniqueFd client = served.tcp();
    api_test::send_text(client.get(), request);
    sys::shutdown_write(client.get());
    CHECK(status_of_answer(api_test::receive_all(client.get())) == 400);
  }
}

TEST_CASE("100 MB pass through, by length and in chunks, and the memory stays flat") {
  const Served served(count_body);
  const std::string piece(1 << 20, 'x');
  constexpr int kPieces = 100;
  const std::string expected = std::to_string(piece.size() * kPieces) + " x";
  const std::size_t before = api_test::resident_bytes();
  const sys::UniqueFd counted = served.unix_socket();
  api_test::send_text(counted.get(),
                      post_head("Content-Length: " + std::to_string(piece.size() * kPieces)));
  for (int i = 0; i < kPieces; ++i) REQUIRE(api_test::send_text(counted.get(), piece));
  CHECK(body_of_answer(api_test::receive_all(counted.get())) == expected);

  const sys::UniqueFd chunked = served.tcp();
  api_test::send_text(chunked.get(), post_head("Transfer-Encoding: chunked"));
  for (int i = 0; i < kPieces; ++i) {
    REQUIRE(api_test::send_text(chunked.get(), "100000\r\n"));
    REQUIRE(api_test::send_text(chunked.get(), piece));
    REQUIRE(api_test::send_text(chunked.get(), "\r\n"));
  }
  REQUIRE(api_test::send_text(chunked.get(), "0\r\n\r\n"));
  CHECK(body_of_answer(api_test::receive_all(chunked.get())) == expected);
  CHECK(api_test::resident_bytes() < before + (16u << 20));
}

TEST_CASE("a refusal before the body is read reaches a client that is still sending") {
  const Served served([](auto&, auto&, auto&) { throw api::HttpError(403, "forbidden", "no"); });
  const sys::UniqueFd client = served.tcp();
  const std::string piece(1 << 20, 'x');
  REQUIRE(api_test::send_text(client.get(), post_head("Content-Length: 33554432")));
  for (int i = 0; i < 32; ++i) REQUIRE(api_test::send_text(client.get(), piece));
  CHECK(status_of_answer(api_test::receive_all(client.get())) == 403);
}

TEST_CASE("a client that expects 100 gets it when the body is wanted, and not when it is refused") {
  const Served served([](const httplib::Request& request, httplib::Response& response,
                         const httplib::ContentReader& body) {
    if (request.has_header("x-refuse")) throw api::HttpError(403, "forbidden", "no");
    count_body(request, response, body);
  });
  const std::string expect = "Expect: 100-Continue\r\nContent-Length: 2";
  const sys::UniqueFd wanted = served.tcp();
  api_test::send_text(wanted.get(), post_head(expect));
  CHECK(api_test::receive_until(wanted.get(), "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(body_of_answer(exchange(wanted.get(), "xx")) == "2 x");

  const sys::UniqueFd refused = served.tcp();
  api_test::send_text(refused.get(), post_head(expect + "\r\nX-Refuse: 1"));
  CHECK(status_of_answer(api_test::receive_until(refused.get(), "\r\n\r\n")) == 403);
}

TEST_CASE("P5: a head that does not come ends in 408, and others are served meanwhile") {
  api::ServerOptions options = patient();
  options.times.head = kShort;
  const Served served(count_body, options);
  const sys::UniqueFd slow = served.tcp();
  api_test::send_text(slow.get(), "GET / HTTP/1.1\r\nHost: lo");
  CHECK(status_of_answer(served.ask(kGet)) == 200);
  CHECK(status_of_answer(api_test::receive_all(slow.get())) == 408);
}

TEST_CASE("P5: a body that stops coming ends in 408") {
  api::ServerOptions options = patient();
  options.times.body_idle = kShort;
  const Served served(count_body, options);
  const std::string answer = served.ask(post_head("Content-Length: 100") + "xx");
  CHECK(status_of_answer(answer) == 408);
  CHECK(answer.find("body_timeout") != std::string::npos);
}

TEST_CASE("an answer that nobody reads does not hold its thread") {
  api::ServerOptions options = patient();
  options.times.write_idle = kShort;
  Signal answered;
  const Served served(
      [&](auto&, httplib::Response& response, auto&) {
        answered.raise();
        set_text(response, std::string(64 << 20, 'x'));
      },
      options);
  const sys::UniqueFd client = served.unix_socket();
  api_test::send_text(client.get(), kGet);
  answered.wait();
  served.server->stop(kLong);  // returns because the write gives up, long before the grace is over
}

TEST_CASE("connections beyond the bound get 503, and those of the other listener are served") {
  api::ServerOptions options = patient();
  options.max_connections = 2;
  const Served served(count_body, options);
  const std::string head = post_head("Content-Length: 1\r\nExpect: 100-continue");
  std::vector<sys::UniqueFd> holders;
  for (int i = 0; i < 2; ++i) {
    holders.push_back(served.tcp());
    api_test::send_text(holders.back().get(), head);
    api_test::receive_until(holders.back().get(), "100 Continue\r\n\r\n");
  }
  const std::string answer = served.ask(kGet);
  CHECK(status_of_answer(answer) == 503);
  CHECK(answer.find("\r\nRetry-After: ") != std::string::npos);
  CHECK(status_of_answer(exchange(served.unix_socket().get(), kGet)) == 200);
  // A place that is given back is used again.
  CHECK(body_of_answer(exchange(holders.front().get(), "x")) == "1 x");
  holders.front().reset();
  int status = 503;
  for (int i = 0; i < 1000 && status == 503; ++i) status = status_of_answer(served.ask(kGet));
  CHECK(status == 200);
}

TEST_CASE("root is no stranger, however many come") {
  if (::geteuid() != 0) return;
  api::ServerOptions options = patient();
  options.max_strangers = 1;
  const Served served(count_body, options);
  const sys::UniqueFd silent = served.tcp();
  CHECK(status_of_answer(served.ask(kGet)) == 200);
  CHECK(status_of_answer(exchange(served.unix_socket().get(), kGet)) == 200);
}

TEST_CASE("an exception of the handler is a 500 in JSON") {
  const Served served([](auto&, auto&, auto&) { throw std::runtime_error("it \"broke\""); });
  const std::string answer = served.ask(kGet);
  CHECK(status_of_answer(answer) == 500);
  CHECK(body_of_answer(answer) == "{\"code\":\"internal\",\"error\":\"it \\\"broke\\\"\"}\n");
}

TEST_CASE("stop ends connections in every stage, and the destructor does the same") {
  for (const bool by_destructor : {false, true}) {
    Served served(count_body);
    const sys::UniqueFd silent = served.tcp();
    const sys::UniqueFd in_head = served.unix_socket();
    api_test::send_text(in_head.get(), "GET /");
    const sys::UniqueFd in_body = served.tcp();
    api_test::send_text(in_body.get(), post_head("Content-Length: 10\r\nExpect: 100-continue"));
    api_test::receive_until(in_body.get(), "100 Continue\r\n\r\n");
    const sys::UniqueFd lingering = served.tcp();
    api_test::send_text(lingering.get(), kGet);
    api_test::receive_until(lingering.get(), "0 x");
    if (by_destructor) {
      served.server.reset();
    } else {
      served.server->stop(milliseconds(0));
    }
    CHECK(api_test::receive_all(silent.get()).empty());
  }
}

TEST_CASE("stop with a grace lets a request finish, and takes no new one") {
  Signal entered;
  Signal leave;
  Served served([&](auto&, httplib::Response& response, auto&) {
    entered.raise();
    leave.wait();
    set_text(response, "finished");
  });
  sys::UniqueFd client = served.unix_socket();
  api_test::send_text(client.get(), kGet);
  entered.wait();
  std::thread stopper([&] { served.server->stop(kLong); });
  // The end of the listener is how the start of the stop shows.
  while (api_test::can_connect(served.endpoint)) {
  }
  leave.raise();
  CHECK(body_of_answer(api_test::receive_all(client.get())) == "finished");
  client.reset();
  stopper.join();
}

TEST_CASE("an answer is streamed piece by piece, while it is made") {
  Signal first_read;
  const Served served([&](auto&, httplib::Response& response, auto&) {
    response.set_chunked_content_provider("text/event-stream",
                                          [&](std::size_t offset, httplib::DataSink& sink) {
                                            if (offset == 0) return sink.write("data: 1\n\n", 9);
                                            first_read.wait();
                                            sink.write("data: 2\n\n", 9);
                                            sink.done();
                                            return true;
                                          });
  });
  const sys::UniqueFd client = served.tcp();
  api_test::send_text(client.get(), kGet);
  const std::string start = api_test::receive_until(client.get(), "9\r\ndata: 1\n\n\r\n");
  CHECK(status_of_answer(start) == 200);
  CHECK(start.find("\r\nTransfer-Encoding: chunked\r\n") != std::string::npos);
  CHECK(start.find("\r\nContent-Type: text/event-stream\r\n") != std::string::npos);
  first_read.raise();
  CHECK(api_test::receive_all(client.get()) == "9\r\ndata: 2\n\n\r\n0\r\n\r\n");
}

TEST_CASE("a streamed answer ends when its client has gone") {
  Signal ended;
  const Served served([&](auto&, httplib::Response& response, auto&) {
    response.set_chunked_content_provider(
        "text/event-stream",
        [](std::size_t, httplib::DataSink& sink) { return sink.write("data: x\n\n", 9); },
        [&](bool) { ended.raise(); });
  });
  sys::UniqueFd client = served.unix_socket();
  api_test::send_text(client.get(), kGet);
  api_test::receive_until(client.get(), "data: x");
  client.reset();
  ended.wait();
}

TEST_CASE("a body that no route wants is not read, whatever the method") {
  const Served served(always("wanted"));
  for (const char* method : {"PUT", "PATCH", "DELETE", "PRI", "MADE-UP"}) {
    CAPTURE(method);
    const sys::UniqueFd client = served.tcp();
    // Only the head is sent: an answer shows that nobody waited for the body.
    api_test::send_text(client.get(), std::string(method) +
                                          " /x HTTP/1.1\r\nHost: localhost\r\n"
                                          "Content-Length: 1000000\r\n\r\n");
    CHECK(status_of_answer(api_test::receive_until(client.get(), "}")) == 405);
  }
}

TEST_CASE("nothing that a client says makes cpp-httplib cut, pack or inflate") {
  const Served served(always(std::string(1000, 'x')));
  const std::string answer = served.ask(
      "GET /x HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1,5-6\r\n"
      "Accept-Encoding: gzip, br\r\nConnection: keep-alive\r\n\r\n");
  CHECK(status_of_answer(answer) == 200);
  CHECK(body_of_answer(answer) == std::string(1000, 'x'));
}

TEST_CASE("a path is matched as it was split, and only up to a bound") {
  const Served served([](const httplib::Request& request, httplib::Response& response, auto&) {
    set_text(response, request.path);
  });
  const auto get = [&](const std::string& path) {
    return served.ask("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  };
  CHECK(body_of_answer(get("/a%20b/c+d?e=%66")) == "/a b/c+d");
  CHECK(status_of_answer(get("/a%2Fb")) == 400);
  CHECK(status_of_answer(get("/" + std::string(api::kMaxPathBytes - 1, 'a'))) == 200);
  CHECK(status_of_answer(get("/" + std::string(api::kMaxPathBytes, 'a'))) == 414);
}
