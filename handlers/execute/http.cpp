#include "handlers/execute/http.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>

#include "handlers/execute/stage.h"
#include "oci/sys/timed_io.h"

namespace execute {
namespace {

constexpr std::size_t kMaxHeadBytes = 64 << 10;
constexpr std::size_t kMaxBodyBytes = 16 << 20;  // it is held in memory, which --memory limits too
// A client that is merely slow is ended by the function's timeout; one that takes nothing for so
// long, or still sends after its reply, by these.
constexpr std::chrono::milliseconds kIdle{60'000};
constexpr std::chrono::milliseconds kDrain{1'000};

std::string_view reason_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 431:
      return "Request Header Fields Too Large";
    default:
      return "Internal Server Error";
  }
}

// Appends at least a byte.
void receive_more(int connection, std::string& text, std::size_t at_most) {
  std::array<char, 64 << 10> block{};
  const std::span room(block.data(), std::min(block.size(), at_most));
  const sys::Received got = sys::receive_before(connection, room, sys::Deadline::max());
  if (got.status != sys::IoStatus::done) throw ClientGone();
  text.append(block.data(), got.size);
}

// Reads up to the empty line, and perhaps something of the body; the head's length.
std::size_t read_head(int connection, std::string& text) {
  for (;;) {
    const std::size_t end = text.find("\r\n\r\n");
    if (end != std::string::npos) return end + 4;
    if (text.size() >= kMaxHeadBytes) {
      throw BadRequest(431, "head_too_large", "the head of the request is too large");
    }
    receive_more(connection, text, kMaxHeadBytes - text.size());
  }
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::size_t length_of(std::string_view digits) {
  std::size_t length = 0;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    throw BadRequest(400, "bad_request", "Content-Length is no number");
  }
  for (const char digit : digits) {
    length = length * 10 + static_cast<std::size_t>(digit - '0');
    if (length > kMaxBodyBytes) {
      throw BadRequest(413, "body_too_large",
                       "the body is larger than " + std::to_string(kMaxBodyBytes) + " bytes");
    }
  }
  return length;
}

struct Head {
  std::size_t body_bytes = 0;
  bool expects_continue = false;
};

void check_first_line(std::string_view line) {
  const std::size_t method_end = line.find(' ');
  const std::size_t target_end = line.rfind(' ');
  if (method_end == std::string_view::npos || method_end >= target_end ||
      !line.substr(target_end + 1).starts_with("HTTP/1.")) {
    throw BadRequest(400, "bad_request", "the first line is no HTTP/1 request");
  }
  if (line.substr(method_end + 1, target_end - method_end - 1) != "/") {
    throw BadRequest(404, "not_found", "there is only /");
  }
  if (line.substr(0, method_end) != "POST") throw BadRequest(405, "bad_method", "send a POST");
}

// `head` ends with the empty line.
Head parse_head(std::string_view head) {
  const std::size_t first_end = head.find("\r\n");
  check_first_line(head.substr(0, first_end));
  head.remove_prefix(first_end + 2);
  std::optional<std::size_t> length;
  Head result;
  while (!head.starts_with("\r\n")) {
    const std::size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      throw BadRequest(400, "bad_request", "a header line is malformed");
    }
    const std::string name = lower(line.substr(0, colon));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (name == "transfer-encoding" || (name == "content-length" && length)) {
      throw BadRequest(400, "bad_request", "send one Content-Length, and no Transfer-Encoding");
    }
    if (name == "content-length") length = length_of(value);
    if (name == "expect") result.expects_continue = lower(value) == "100-continue";
  }
  if (!length) throw BadRequest(411, "length_required", "send a Content-Length");
  result.body_bytes = *length;
  return result;
}

}  // namespace

std::string read_body(int connection) {
  std::string text;
  const std::size_t head_bytes = read_head(connection, text);
  const Head head = parse_head(std::string_view(text).substr(0, head_bytes));
  text.erase(0, head_bytes);
  if (head.expects_continue && text.size() < head.body_bytes) {
    send_text(connection, "HTTP/1.1 100 Continue\r\n\r\n");
  }
  text.reserve(head.body_bytes);
  while (text.size() < head.body_bytes) {
    receive_more(connection, text, head.body_bytes - text.size());
  }
  text.resize(head.body_bytes);
  return text;
}

void send_head(int connection) {
  send_text(connection,
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n");
}

void send_text(int connection, std::string_view text) {
  if (sys::send_within(connection, text, kIdle) != sys::IoStatus::done) throw ClientGone();
}

void send_error(int connection, const BadRequest& problem) {
  nlohmann::ordered_json body;
  body["error"] = problem.what();
  body["code"] = problem.code();
  const std::string text = body.dump(-1, ' ', false, decltype(body)::error_handler_t::replace);
  std::string reply = "HTTP/1.1 " + std::to_string(problem.status()) + " ";
  reply += reason_of(problem.status());
  reply += "\r\nContent-Type: application/json\r\nContent-Length: ";
  reply += std::to_string(text.size() + 1) + "\r\nConnection: close\r\n\r\n" + text + "\n";
  send_text(connection, reply);
}

void finish(int connection) noexcept {
  ::shutdown(connection, SHUT_WR);
  const auto end = std::chrono::steady_clock::now() + kDrain;
  static char dropped[64 << 10];
  while (sys::receive_before(connection, dropped, end).status == sys::IoStatus::done) {
  }
}

}  // namespace execute
