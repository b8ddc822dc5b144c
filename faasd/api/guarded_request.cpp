#include "faasd/api/guarded_request.h"

#include <algorithm>
#include <array>

namespace api {
namespace {

// The head, and in `rest` what came behind it. Empty if the client left without a word.
std::string read_head(int fd, sys::Deadline deadline, std::string& rest) {
  std::string bytes;
  std::array<char, 4096> piece;
  while (bytes.size() < kMaxHeadBytes) {
    const sys::Received received = sys::receive_before(fd, piece, deadline);
    if (received.status == sys::IoStatus::timed_out) {
      throw HttpError(408, "head_timeout", "the head of the request did not arrive in time");
    }
    if (received.status != sys::IoStatus::done) {
      if (bytes.empty()) return {};
      throw HttpError(400, "bad_request", "the head of the request is cut off");
    }
    const std::size_t seen = bytes.size();
    bytes.append(piece.data(), received.size);
    if (const auto end = find_head_end(bytes, seen)) {
      rest = bytes.substr(*end);
      bytes.resize(*end);
      return bytes;
    }
  }
  throw HttpError(
      431, "head_too_large",
      "the head of the request is larger than " + std::to_string(kMaxHeadBytes) + " bytes");
}

bool expects_continue(const RequestHead& head) {
  const std::optional<std::string_view> expect = head.header("expect");
  if (!expect) return false;
  const std::string_view wanted = "100-continue";
  const bool known =
      std::equal(expect->begin(), expect->end(), wanted.begin(), wanted.end(),
                 [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
  if (!known) throw HttpError(417, "expectation_failed", "the only Expect known is 100-continue");
  return head.minor_version == 1;
}

std::string decoded_path(const Target& target) {
  std::string path;
  for (const std::string& segment : target.segments) {
    if (segment.find('/') != std::string::npos) {
      throw HttpError(400, "bad_request", "the path has an encoded slash");
    }
    path.append("/").append(segment);
  }
  if (path.size() <= kMaxPathBytes) return path;
  throw HttpError(414, "path_too_long",
                  "the path is longer than " + std::to_string(kMaxPathBytes) + " bytes");
}

bool read(int fd, sys::Deadline deadline, const Admission& admit, GuardedRequest& request) {
  request.peer = identify_peer(fd);
  if (request.peer.uid) request.caller = "uid:" + std::to_string(*request.peer.uid);
  const std::string head = read_head(fd, deadline, request.body_start);
  if (head.empty()) return false;
  request.head = parse_head(head);
  request.framing = body_framing(request.head);
  request.target = parse_target(request.head.target);
  request.path = decoded_path(request.target);
  request.wants_continue = expects_continue(request.head);
  request.caller = admit(request);
  return true;
}

}  // namespace

std::optional<GuardedRequest> read_request(int fd, sys::Deadline deadline, const Admission& admit,
                                           const sys::Log& log) {
  GuardedRequest request;
  request.socket = fd;
  try {
    if (!read(fd, deadline, admit, request)) return std::nullopt;
  } catch (const HttpError& error) {
    request.refusal = error;
  } catch (const std::exception& error) {
    log.error("request_failed", {{"error", error.what()}});
    request.refusal = HttpError(500, "internal", error.what());
  }
  return request;
}

}  // namespace api
