// HTTP/1.1 as text: where a request's head ends, what it says, how its body is delimited. Pure and
// strict: whatever two parsers could read differently is refused, RFC 9112 and RFC 9110 section 5.
// No socket, no threads. Throws HttpError with the status to answer; the connection is closed then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace api {

// The request line and all headers; the upload's options are in the query, so it is not tiny.
inline constexpr std::size_t kMaxHeadBytes = 16'384;
// Browsers and proxies send 20 to 40; more only make look-ups slow.
inline constexpr std::size_t kMaxHeaders = 100;

class HttpError : public std::runtime_error {
 public:
  HttpError(int status, std::string code, const std::string& message)
      : std::runtime_error(message), status_(status), code_(std::move(code)) {}

  int status() const noexcept { return status_; }
  const std::string& code() const noexcept { return code_; }

 private:
  int status_;
  std::string code_;
};

struct RequestHead {
  std::string method;
  std::string target;  // as written: "/v1/functions/x?memory=64M"
  int minor_version = 1;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case

  // The value of a header that may stand once; throws HttpError(400) if it stands twice.
  std::optional<std::string_view> header(std::string_view lower_case_name) const;
};

// Where the head ends (the offset behind its empty line), or nothing yet. `seen` is how far an
// earlier call has looked. Throws at the first byte that cannot be in a head: a bare CR or LF, NUL.
std::optional<std::size_t> find_head_end(std::string_view bytes, std::size_t seen);

// `head` includes the empty line.
RequestHead parse_head(std::string_view head);

struct BodyFraming {
  bool chunked = false;
  std::uint64_t length = 0;  // if not chunked

  bool has_body() const noexcept { return chunked || length > 0; }
};
BodyFraming body_framing(const RequestHead& head);

// Takes the framing off a chunked body, piece by piece, and keeps nothing of it. Chunk extensions
// and trailers are refused: no client of ours sends them, and smuggling lives on them.
class ChunkDecoder {
 public:
  // The next piece of payload at the front of `input`, which is shortened by all that was used.
  // Empty: more input is needed, or the body has ended.
  std::string_view next(std::string_view& input);
  bool finished() const noexcept { return state_ == State::finished; }

 private:
  enum class State { size, size_lf, data, data_cr, data_lf, last_cr, last_lf, finished };

  void step(char c);
  void take_size_digit(char c);

  State state_ = State::size;
  std::uint64_t left_ = 0;
  int digits_ = 0;
};

// The path in segments, each percent-decoded by itself, so that an encoded slash stays inside its
// segment; the query in order. "/a/b%2Fc?k=v" is {"a", "b/c"} and {{"k", "v"}}.
struct Target {
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> query;
};
// Throws HttpError(400) for a bad escape, NUL, or a "." or ".." segment: they are never resolved.
Target parse_target(std::string_view target);

}  // namespace api
