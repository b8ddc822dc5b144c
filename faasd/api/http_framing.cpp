#include "faasd/api/http_framing.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace api {
namespace {

constexpr std::string_view kCrLf = "\r\n";
// 16 hex digits are 64 bits; the largest body is bounded by a signed offset all the same.
constexpr int kMaxChunkDigits = 16;
constexpr auto kMaxLength = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

[[noreturn]] void bad(const std::string& message) {
  throw HttpError(400, "bad_request", message);
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
}

// RFC 9110, 5.6.2: tchar.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_alphanumeric(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string::npos;
  });
}

// RFC 9110, 5.5: no control character but the tab.
bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

void parse_request_line(std::string_view line, RequestHead& head) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos || line.find(' ', second + 1) != std::string_view::npos) {
    bad("the request line is not METHOD TARGET HTTP/1.1");
  }
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  if (!is_token(head.method)) bad("the method is no token");
  const bool visible = std::all_of(head.target.begin(), head.target.end(),
                                   [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
  if (head.target.empty() || head.target.front() != '/' || !visible) {
    bad("the request target is no path; it starts with '/' and is percent-encoded");
  }
  if (version == "HTTP/1.1" || version == "HTTP/1.0") {
    head.minor_version = version.back() - '0';
    return;
  }
  if (version.size() == 8 && version.starts_with("HTTP/") && version[6] == '.' &&
      version[5] >= '2' && version[5] <= '9' && version[7] >= '0' && version[7] <= '9') {
    throw HttpError(505, "http_version_not_supported",
                    "only HTTP/1.1 and HTTP/1.0 are spoken here");
  }
  bad("the request line does not end in HTTP/1.1");
}

void parse_header_line(std::string_view line, RequestHead& head) {
  if (line.front() == ' ' || line.front() == '\t') bad("a header is folded over two lines");
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) bad("a header line has no colon");
  const std::string_view name = line.substr(0, colon);
  if (!is_token(name)) bad("a header's name is no token, or a space stands before its colon");
  const std::string_view value = trim(line.substr(colon + 1));
  if (!is_field_value(value)) bad("the header " + std::string(name) + " has a control character");
  if (head.headers.size() == kMaxHeaders) {
    throw HttpError(431, "head_too_large",
                    "the request has more than " + std::to_string(kMaxHeaders) + " headers");
  }
  head.headers.emplace_back(lower_case(name), value);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += plus_is_space && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0) bad("a '%' of the target is not followed by two hex digits");
    const int value = high * 16 + low;
    if (value == 0) bad("the target has a NUL");
    result += static_cast<char>(value);
    i += 2;
  }
  return result;
}

// Calls `each` with the pieces of `text` between separators; n separators make n + 1 pieces.
template <typename Each>
void split(std::string_view text, char separator, Each each) {
  for (;;) {
    const std::size_t end = text.find(separator);
    each(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::optional<std::string_view> RequestHead::header(std::string_view lower_case_name) const {
  std::optional<std::string_view> found;
  for (const auto& [name, value] : headers) {
    if (name != lower_case_name) continue;
    if (found) bad("the header " + name + " stands twice");
    found = value;
  }
  return found;
}

std::optional<std::size_t> find_head_end(std::string_view bytes, std::size_t seen) {
  for (std::size_t i = seen; i < bytes.size(); ++i) {
    if (bytes[i] == '\0') bad("the head of the request has a NUL");
    if (bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r')) bad("a line ends in a bare LF");
    if (i > 0 && bytes[i - 1] == '\r' && bytes[i] != '\n') bad("a line has a bare CR");
    if (bytes[i] == '\n' && i >= 3 && bytes[i - 2] == '\n') return i + 1;
    if (bytes[i] == '\n' && i == 1) bad("the request starts with an empty line");
  }
  return std::nullopt;
}

RequestHead parse_head(std::string_view head) {
  const std::optional<std::size_t> end = find_head_end(head, 0);
  if (end != head.size()) bad("the head of the request has no end");
  RequestHead result;
  bool first = true;
  while (!head.empty()) {
    const std::size_t length = head.find(kCrLf);
    const std::string_view line = head.substr(0, length);
    head.remove_prefix(length + kCrLf.size());
    if (line.empty()) break;
    if (first) {
      parse_request_line(line, result);
    } else {
      parse_header_line(line, result);
    }
    first = false;
  }
  // RFC 9112, 3.2: without a Host, or with two, a request may mean different things on its way.
  if (!result.header("host") && result.minor_version == 1) bad("the header Host is missing");
  return result;
}

BodyFraming body_framing(const RequestHead& head) {
  const std::optional<std::string_view> encoding = head.header("transfer-encoding");
  const std::optional<std::string_view> length = head.header("content-length");
  if (encoding && length) bad("Transfer-Encoding and Content-Length exclude each other");
  if (encoding) {
    if (head.minor_version == 0) bad("HTTP/1.0 has no Transfer-Encoding");
    if (lower_case(*encoding) != "chunked") bad("the only Transfer-Encoding known here is chunked");
    return {true, 0};
  }
  if (!length) return {};
  BodyFraming framing;
  const char* end = length->data() + length->size();
  const bool digits =
      std::all_of(length->begin(), length->end(), [](char c) { return c >= '0' && c <= '9'; });
  const auto [rest, error] = std::from_chars(length->data(), end, framing.length);
  if (!digits || rest != end || error != std::errc() || framing.length > kMaxLength) {
    bad("Content-Length is no number of bytes");
  }
  return framing;
}

std::string_view ChunkDecoder::next(std::string_view& input) {
  while (!input.empty() && state_ != State::finished) {
    if (state_ == State::data) {
      const std::size_t size = std::min<std::uint64_t>(left_, input.size());
      const std::string_view piece = input.substr(0, size);
      input.remove_prefix(size);
      left_ -= size;
      if (left_ == 0) state_ = State::data_cr;
      return piece;
    }
    step(input.front());
    input.remove_prefix(1);
  }
  return {};
}

void ChunkDecoder::step(char c) {
  const auto expect = [c](char wanted) {
    if (c != wanted) {
      throw HttpError(400, "bad_chunk", "the chunked body is malformed: CR LF was expected");
    }
  };
  switch (state_) {
    case State::size:
      take_size_digit(c);
      break;
    case State::size_lf:
      expect('\n');
      state_ = left_ == 0 ? State::last_cr : State::data;
      break;
    case State::data_cr:
      expect('\r');
      state_ = State::data_lf;
      break;
    case State::data_lf:
      expect('\n');
      state_ = State::size;
      digits_ = 0;
      break;
    case State::last_cr:
      expect('\r');
      state_ = State::last_lf;
      break;
    case State::last_lf:
      expect('\n');
      state_ = State::finished;
      break;
    case State::data:
    case State::finished:
      break;
  }
}

void ChunkDecoder::take_size_digit(char c) {
  if (c == '\r' && digits_ > 0) {
    state_ = State::size_lf;
    return;
  }
  const int value = hex_value(c);
  if (value < 0 || ++digits_ > kMaxChunkDigits || left_ > kMaxLength >> 4) {
    throw HttpError(400, "bad_chunk",
                    "a chunk's size is one to 16 hexadecimal digits and nothing else");
  }
  left_ = left_ * 16 + static_cast<std::uint64_t>(value);
}

Target parse_target(std::string_view target) {
  Target result;
  const std::size_t mark = target.find('?');
  std::string_view path = target.substr(0, mark);
  if (path.empty() || path.front() != '/') bad("the request target is no path");
  path.remove_prefix(1);
  split(path, '/', [&](std::string_view piece) {
    result.segments.push_back(percent_decode(piece, false));
    if (result.segments.back() == "." || result.segments.back() == "..") {
      bad("the path has a '.' or '..' in it");
    }
  });
  if (mark == std::string_view::npos) return result;
  split(target.substr(mark + 1), '&', [&](std::string_view pair) {
    if (pair.empty()) return;
    // Only the first '=' separates: "env=KEY=value" is the option env.
    const std::size_t equals = pair.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    result.query.emplace_back(percent_decode(pair.substr(0, equals), true),
                              percent_decode(value, true));
  });
  return result;
}

}  // namespace api
