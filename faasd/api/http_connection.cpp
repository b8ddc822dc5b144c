#include "faasd/api/http_connection.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "oci/sys/socket.h"
#include "oci/sys/timed_io.h"

namespace api {
namespace {

using Clock = std::chrono::steady_clock;

// One read of a body. Larger ones do not copy faster, and every connection has one.
constexpr std::size_t kBodyPiece = 65'536;

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

// What arrived with the head, and the head's length in it. `bytes` is empty if the client left
// without a word.
struct HeadBytes {
  std::string bytes;
  std::size_t head_size = 0;
};

HeadBytes read_head(int fd, sys::Deadline deadline) {
  HeadBytes result;
  std::array<char, 4096> piece;
  while (result.bytes.size() < kMaxHeadBytes) {
    const sys::Received received = sys::receive_before(fd, piece, deadline);
    if (received.status == sys::IoStatus::timed_out) {
      throw HttpError(408, "head_timeout", "the head of the request did not arrive in time");
    }
    if (received.status != sys::IoStatus::done) {
      if (result.bytes.empty()) return {};
      throw HttpError(400, "bad_request", "the head of the request is cut off");
    }
    const std::size_t seen = result.bytes.size();
    result.bytes.append(piece.data(), received.size);
    if (const auto end = find_head_end(result.bytes, seen)) {
      result.head_size = *end;
      return result;
    }
  }
  throw HttpError(
      431, "head_too_large",
      "the head of the request is larger than " + std::to_string(kMaxHeadBytes) + " bytes");
}

bool wants_continue(const RequestHead& head) {
  const std::optional<std::string_view> expect = head.header("expect");
  if (!expect) return false;
  const std::string_view wanted = "100-continue";
  const bool known =
      std::equal(expect->begin(), expect->end(), wanted.begin(), wanted.end(),
                 [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
  if (!known) throw HttpError(417, "expectation_failed", "the only Expect known is 100-continue");
  return head.minor_version == 1;
}

// Sends the answer, then keeps the socket open until the client has had a chance to read it.
void answer(int fd, const ConnectionTimes& times, const std::string& wire) {
  if (sys::send_within(fd, wire, times.write_idle) != sys::IoStatus::done) return;
  sys::shutdown_write(fd);
  const sys::Deadline deadline = Clock::now() + times.linger;
  std::vector<char> dropped(kBodyPiece);
  while (Clock::now() < deadline) {
    if (sys::receive_before(fd, dropped, deadline).status != sys::IoStatus::done) return;
  }
}

// Whether there was a request to answer; `response` and `head_only` are its answer.
bool converse(int fd, const ConnectionTimes& times, const Handler& handler, Response& response,
              bool& head_only) {
  Request request;
  request.peer = identify_peer(fd);
  HeadBytes input = read_head(fd, Clock::now() + times.head);
  if (input.bytes.empty()) return false;
  request.head = parse_head(std::string_view(input.bytes).substr(0, input.head_size));
  head_only = request.head.method == "HEAD";
  const BodyFraming framing = body_framing(request.head);
  request.target = parse_target(request.head.target);
  RequestBody body(fd, times, framing, input.bytes.substr(input.head_size),
                   wants_continue(request.head));
  response = handler(request, body);
  return true;
}

}  // namespace

Response json_response(int status, const nlohmann::json& json) {
  Response response;
  response.status = status;
  response.body = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return response;
}

Response error_response(int status, const std::string& code, const std::string& message) {
  Response response = json_response(status, {{"error", message}, {"code", code}});
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"faasd\"");
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

std::string to_wire(const Response& response, bool head_only) {
  std::string wire = "HTTP/1.1 " + std::to_string(response.status) + " ";
  wire += reason_phrase(response.status);
  wire += "\r\nContent-Type: " + response.content_type;
  wire += "\r\nContent-Length: " + std::to_string(response.body.size());
  wire += "\r\nConnection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff";
  for (const auto& [name, value] : response.headers) {
    wire.append("\r\n").append(name).append(": ").append(value);
  }
  wire += "\r\n\r\n";
  if (!head_only) wire += response.body;
  return wire;
}

RequestBody::RequestBody(int fd, const ConnectionTimes& times, BodyFraming framing,
                         std::string first_bytes, bool wants_continue)
    : fd_(fd),
      times_(times),
      framing_(framing),
      wants_continue_(wants_continue),
      buffer_(std::move(first_bytes)),
      unread_(buffer_) {}

std::string_view RequestBody::read() {
  for (;;) {
    const std::string_view piece = take();
    const bool finished = framing_.chunked ? chunks_.finished() : framing_.length == 0;
    if (!piece.empty() || finished) return piece;
    fill();
  }
}

std::string_view RequestBody::take() {
  if (framing_.chunked) return chunks_.next(unread_);
  // Bytes beyond the length are nobody's: the connection ends with this request.
  const std::string_view piece = unread_.substr(0, framing_.length);
  framing_.length -= piece.size();
  unread_.remove_prefix(piece.size());
  return piece;
}

void RequestBody::fill() {
  if (std::exchange(wants_continue_, false)) {
    sys::send_within(fd_, "HTTP/1.1 100 Continue\r\n\r\n", times_.write_idle);
  }
  buffer_.resize(kBodyPiece);
  const sys::Received received = sys::receive_before(fd_, buffer_, Clock::now() + times_.body_idle);
  if (received.status == sys::IoStatus::timed_out) {
    throw HttpError(
        408, "body_timeout",
        "nothing of the body arrived for " + std::to_string(times_.body_idle.count()) + " ms");
  }
  if (received.status != sys::IoStatus::done) {
    throw HttpError(400, "body_cut_off", "the body of the request is cut off");
  }
  unread_ = std::string_view(buffer_).substr(0, received.size);
}

void serve_connection(int fd, const ConnectionTimes& times, const Handler& handler,
                      const sys::Log& log) noexcept {
  try {
    Response response;
    bool head_only = false;
    try {
      if (!converse(fd, times, handler, response, head_only)) return;
    } catch (const HttpError& error) {
      response = error_response(error.status(), error.code(), error.what());
    } catch (const std::exception& error) {
      log.error("request_failed", {{"error", error.what()}});
      response = error_response(500, "internal", error.what());
    }
    answer(fd, times, to_wire(response, head_only));
  } catch (const std::exception& error) {
    log.warn("answer_failed", {{"error", error.what()}});
  }
}

}  // namespace api
