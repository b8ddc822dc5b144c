#include "faasd/api/http_framing.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using api::HttpError;

namespace {

std::string with_header(const std::string& line) {
  return "POST /api/new HTTP/1.1\r\nHost: x\r\n" + line + "\r\n\r\n";
}

// The status of the refusal, or 0 if the head is accepted as a whole.
int refusal(const std::string& head) {
  try {
    const auto end = api::find_head_end(head, 0);
    if (!end) return -1;
    const api::RequestHead parsed = api::parse_head(std::string_view(head).substr(0, *end));
    api::body_framing(parsed);
    api::parse_target(parsed.target);
    return 0;
  } catch (const HttpError& error) {
    return error.status();
  }
}

// What a chunked body says, fed `step` bytes at a time; nothing if it is refused or has no end.
std::optional<std::string> dechunk(std::string_view body, std::size_t step) {
  api::ChunkDecoder decoder;
  std::string payload;
  try {
    while (!body.empty() && !decoder.finished()) {
      std::string_view input = body.substr(0, step);
      body.remove_prefix(input.size());
      while (!input.empty() && !decoder.finished()) payload += decoder.next(input);
    }
  } catch (const HttpError& error) {
    CHECK(error.status() == 400);
    return std::nullopt;
  }
  if (!decoder.finished()) return std::nullopt;
  return payload;
}

}  // namespace

TEST_CASE("an ordinary head is taken apart") {
  const std::string text =
      "PUT /v1/functions/hello?memory=64M HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
      "X-Image-Name: \t hello \r\nContent-Length: 12\r\nEmpty:\r\n\r\n";
  CHECK(api::find_head_end(text + "body", 0) == text.size());
  const api::RequestHead head = api::parse_head(text);
  CHECK(head.method == "PUT");
  CHECK(head.target == "/v1/functions/hello?memory=64M");
  CHECK(head.minor_version == 1);
  CHECK(head.header("x-image-name") == "hello");
  CHECK(head.header("empty") == "");
  CHECK_FALSE(head.header("absent").has_value());
  CHECK(api::body_framing(head).length == 12);
}

TEST_CASE("the end of a head is found however its bytes arrive") {
  const std::string text = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    CHECK_FALSE(api::find_head_end(text.substr(0, size), size == 0 ? 0 : size - 1).has_value());
  }
  CHECK(api::find_head_end(text, text.size() - 1) == text.size());
}

TEST_CASE("HTTP/1.0 needs no Host") {
  CHECK(refusal("GET / HTTP/1.0\r\n\r\n") == 0);
}

TEST_CASE("P1, P4: a head that two parsers could read differently is refused") {
  using namespace std::string_literals;
  const std::vector<std::pair<std::string, int>> rows = {
      // The request line.
      {"GET /\r\nHost: x\r\n\r\n", 400},
      {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400},
      {"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/0.9\r\nHost: x\r\n\r\n", 400},
      {"GET / http/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
      {"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      // Line ends.
      {"GET / HTTP/1.1\nHost: x\n\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\r\n\r\n", 400},
      {"GET / HTTP/1.1\rHost: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\n\n", 400},
      // Headers.
      {"GET / HTTP/1.1\r\nHost: x\0y\r\n\r\n"s, 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
      {with_header("Name : value"), 400},
      {with_header("Na me: value"), 400},
      {with_header(": value"), 400},
      {with_header("no colon"), 400},
      {with_header("A: b\r\n folded"), 400},
      {with_header("A: b\r\n\tfolded"), 400},
      {with_header("N\xc3\xa4me: value"), 400},
      {with_header("A: \x01"), 400},
      {with_header("A: \x7f"), 400},
      // Framing.
      {with_header("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400},
      {with_header("Transfer-Encoding: chunked\r\nContent-Length: 5"), 400},
      {with_header("Content-Length: 5\r\nContent-Length: 5"), 400},
      {with_header("Content-Length: 5\r\ncontent-length: 6"), 400},
      {with_header("Content-Length: 5, 5"), 400},
      {with_header("Content-Length: +5"), 400},
      {with_header("Content-Length: -5"), 400},
      {with_header("Content-Length: 0x5"), 400},
      {with_header("Content-Length: 5 5"), 400},
      {with_header("Content-Length: 1_0"), 400},
      {with_header("Content-Length: 5.0"), 400},
      {with_header("Content-Length:"), 400},
      {with_header("Content-Length: 9223372036854775808"), 400},
      {with_header("Content-Length: 18446744073709551621"), 400},
      {with_header("Content-Length: 99999999999999999999999999"), 400},
      {with_header("Transfer-Encoding: gzip"), 400},
      {with_header("Transfer-Encoding: gzip, chunked"), 400},
      {with_header("Transfer-Encoding: chunked, chunked"), 400},
      {with_header("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400},
      {with_header("Transfer-Encoding: xchunked"), 400},
      {with_header("Transfer-Encoding:"), 400},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
  };
  for (const auto& row : rows) {
    CAPTURE(row.first);
    CHECK(refusal(row.first) == row.second);
  }
}

TEST_CASE("what is refused at its first byte does not wait for the end of the head") {
  CHECK_THROWS_AS(api::find_head_end("GET / HTTP/1.1\n", 0), HttpError);
  CHECK_THROWS_AS(api::find_head_end(std::string_view("GET /\0", 6), 0), HttpError);
  CHECK_THROWS_AS(api::find_head_end("GET / HTTP/1.1\rH", 0), HttpError);
}

TEST_CASE("more headers than the bound are refused, the bound itself is not") {
  const auto head = [](std::size_t count) {
    std::string text = "GET / HTTP/1.1\r\nHost: x\r\n";
    for (std::size_t i = 1; i < count; ++i) text += "A" + std::to_string(i) + ": b\r\n";
    return text + "\r\n";
  };
  CHECK(refusal(head(api::kMaxHeaders)) == 0);
  CHECK(refusal(head(api::kMaxHeaders + 1)) == 431);
}

TEST_CASE("the framing of a body is what its one header says") {
  const auto framing = [](const std::string& line) {
    return api::body_framing(api::parse_head(with_header(line)));
  };
  CHECK(framing("Transfer-Encoding: Chunked").chunked);
  CHECK(framing("Content-Length: 0012").length == 12);
  CHECK(framing("Content-Length: 9223372036854775807").length == 9223372036854775807ULL);
  CHECK_FALSE(framing("Content-Length: 0").has_body());
  CHECK_FALSE(framing("X: y").has_body());
}

TEST_CASE("a chunked body is decoded however its bytes arrive") {
  const std::string body = "5\r\nhello\r\n00A\r\n, chunked \r\n5\r\nworld\r\n0\r\n\r\n";
  for (const std::size_t step :
       {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, body.size()}) {
    CHECK(dechunk(body, step) == "hello, chunked world");
  }
  CHECK(dechunk("0\r\n\r\n", 1) == "");
}

TEST_CASE("bytes behind the last chunk are left alone") {
  api::ChunkDecoder decoder;
  std::string_view input = "1\r\na\r\n0\r\n\r\nGET / HTTP/1.1";
  CHECK(decoder.next(input) == "a");
  CHECK(decoder.next(input).empty());
  CHECK(decoder.finished());
  CHECK(input == "GET / HTTP/1.1");
}

TEST_CASE("P3: a chunk that is written in any but the one way is refused") {
  for (const char* body :
       {"0x10\r\n", "1_0\r\n", "+1\r\na\r\n", "-1\r\n", " 1\r\na\r\n", "1 \r\na\r\n", "\r\n",
        "g\r\n", "1;a=b\r\nx\r\n", "1\na\n", "1\r\nab\r\n", "1\r\na\n", "1\r\na\rX",
        "0\r\nTrailer: x\r\n\r\n", "0\r\nX", "8000000000000000\r\n", "ffffffffffffffff\r\n",
        "10000000000000000\r\n", "00000000000000001\r\na\r\n"}) {
    CAPTURE(body);
    CHECK_FALSE(dechunk(body, 1).has_value());
    CHECK_FALSE(dechunk(body, 1000).has_value());
  }
}

TEST_CASE("a target is split before it is decoded") {
  const api::Target target =
      api::parse_target("/v1/functions/a%2Fb?env=A%3D1&env=B=2+3&memory=64M&flag&&x=%2B");
  CHECK(target.segments == std::vector<std::string>{"v1", "functions", "a/b"});
  const std::vector<std::pair<std::string, std::string>> query = {
      {"env", "A=1"}, {"env", "B=2 3"}, {"memory", "64M"}, {"flag", ""}, {"x", "+"}};
  CHECK(target.query == query);
  CHECK(api::parse_target("/a+b/").segments == std::vector<std::string>{"a+b", ""});
}

TEST_CASE("a target that could be read in two ways is refused") {
  for (const char* target : {"", "a", "/..", "/../etc", "/a/../b", "/a/.", "/%2e%2e/b", "/%2E/b",
                             "/%", "/%4", "/%zz", "/%00", "/a?b=%", "/a?b=%00", "/%u0041"}) {
    CAPTURE(target);
    CHECK_THROWS_AS(api::parse_target(target), HttpError);
  }
}
