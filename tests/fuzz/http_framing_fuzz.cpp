// Drives: the text of HTTP (faasd/api/http_framing.h) as the server does: where the head ends, what
// it says, its target, its framing, and the rest as a chunked body. HttpError is an outcome.
// Aborts if: a head is found in one piece and not byte by byte; a path keeps a "." or ".." segment
// or a NUL; a body has both framings; a chunked body decodes differently in other pieces, or to
// more than was sent.
#include <algorithm>
#include <optional>

#include "faasd/api/http_framing.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

template <typename Work>
bool accepts(Work&& work) {
  try {
    std::forward<Work>(work)();
    return true;
  } catch (const api::HttpError& error) {
    fuzz::require(error.status() >= 400 && error.status() < 600, "an error has an error's status");
    fuzz::require(!error.code().empty(), "an error has a code");
    return false;
  }
}

struct Head {
  bool refused = false;
  std::optional<std::size_t> end;
};

Head find_head(std::string_view input, std::size_t piece) {
  Head head;
  head.refused = !accepts([&] {
    for (std::size_t had = 0; had < input.size() && !head.end; had += piece) {
      head.end = api::find_head_end(input.substr(0, had + piece), had);
    }
  });
  return head;
}

struct Body {
  bool refused = false;
  bool finished = false;
  std::string payload;
  std::size_t left = 0;
};

Body decode(std::string_view input, std::size_t piece) {
  Body body;
  api::ChunkDecoder decoder;
  body.left = input.size();
  body.refused = !accepts([&] {
    while (!input.empty() && !decoder.finished()) {
      std::string_view part = input.substr(0, piece);
      const std::size_t given = part.size();
      for (;;) {
        const std::string_view payload = decoder.next(part);
        if (payload.empty()) break;
        body.payload += payload;
      }
      fuzz::require(part.empty() || decoder.finished(), "a decoder takes what it is given");
      input.remove_prefix(given - part.size());
      body.left = input.size();
    }
    body.finished = decoder.finished();
  });
  return body;
}

void check_head(std::string_view text) {
  const api::RequestHead head = api::parse_head(text);
  fuzz::require(head.headers.size() <= api::kMaxHeaders, "headers are bounded");
  const api::BodyFraming framing = api::body_framing(head);
  fuzz::require(!framing.chunked || framing.length == 0, "a body has one framing");
  const api::Target target = api::parse_target(head.target);
  for (const std::string& segment : target.segments) {
    fuzz::require(segment != "." && segment != "..", "a segment is a name");
    fuzz::require(segment.find('\0') == std::string::npos, "a segment has no NUL");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view input = fuzz::text_of(bytes, size);
  const Head whole = find_head(input, size + 1);
  const Head in_bytes = find_head(input, 1);
  // Byte by byte, a head is complete before the fault that stands behind it is seen.
  if (whole.end) fuzz::require(in_bytes.end == whole.end, "pieces make no difference to the head");
  if (!in_bytes.end) return 0;
  accepts([&] { check_head(input.substr(0, *in_bytes.end)); });

  const std::string_view rest = input.substr(*in_bytes.end);
  const Body body = decode(rest, rest.size() + 1);
  const Body in_pieces = decode(rest, 1 + size % 7);
  fuzz::require(body.refused == in_pieces.refused && body.finished == in_pieces.finished,
                "pieces make no difference to the end of a body");
  fuzz::require(body.refused || body.left == in_pieces.left, "a body ends where it ends");
  fuzz::require(body.payload == in_pieces.payload, "pieces make no difference to a body");
  fuzz::require(body.payload.size() <= rest.size(), "a body is no longer than what was sent");
  return 0;
}
