#include "faasd/api/request_stream.h"

#include <algorithm>
#include <utility>

namespace api {
namespace {

constexpr std::string_view kHead = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";

// One read of a body. Larger ones do not copy faster, and every connection has one.
constexpr std::size_t kBodyPiece = 65'536;

}  // namespace

RequestStream::RequestStream(int fd, const ConnectionTimes& times, GuardedRequest& request)
    : fd_(fd), times_(times), request_(request), head_(kHead), unread_(request.body_start) {}

ssize_t RequestStream::read(char* to, std::size_t size) {
  std::string_view& from = head_.empty() ? piece_ : head_;
  if (from.empty()) from = next_of_body();
  const std::size_t n = from.copy(to, size);
  from.remove_prefix(n);
  return static_cast<ssize_t>(n);
}

ssize_t RequestStream::write(const char* bytes, std::size_t size) {
  if (writable_) {
    writable_ = sys::send_within(fd_, {bytes, size}, times_.write_idle) == sys::IoStatus::done;
  }
  return writable_ ? static_cast<ssize_t>(size) : -1;
}

void RequestStream::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip = request_.peer.address;
  port = 0;
}

void RequestStream::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

std::string_view RequestStream::next_of_body() {
  BodyFraming& framing = request_.framing;
  for (;;) {
    std::string_view piece;
    if (framing.chunked) {
      piece = chunks_.next(unread_);
    } else {
      // Bytes beyond the length are nobody's: the connection ends with this request.
      piece = unread_.substr(0, framing.length);
      framing.length -= piece.size();
      unread_.remove_prefix(piece.size());
    }
    const bool finished = framing.chunked ? chunks_.finished() : framing.length == 0;
    if (!piece.empty() || finished) return piece;
    fill();
  }
}

void RequestStream::fill() {
  if (std::exchange(request_.wants_continue, false)) {
    sys::send_within(fd_, "HTTP/1.1 100 Continue\r\n\r\n", times_.write_idle);
  }
  buffer_.resize(kBodyPiece);
  const sys::Received received =
      sys::receive_before(fd_, buffer_, std::chrono::steady_clock::now() + times_.body_idle);
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

}  // namespace api
