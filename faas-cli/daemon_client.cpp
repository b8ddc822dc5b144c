#include "faas-cli/daemon_client.h"

#include <httplib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <optional>
#include <vector>

#include "faas-cli/daemon_socket.h"
#include "faas-cli/failure.h"

namespace cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// What a full pipe holds: one read, one chunk, one send.
constexpr std::size_t kChunkBytes = 64 << 10;
// The longest true answer is the list of some ten thousand functions; more than this is no daemon.
constexpr std::size_t kAnswerBytesMax = 64 << 20;
// How often `waiting` is called: often enough for a progress bar to look alive.
constexpr milliseconds kTick{100};

// The stream that httplib writes a request to and reads the answer from. When the daemon speaks or
// hangs up while the body is still on its way, the stream swallows what is left of it: httplib then
// goes on to read the answer, where its own stream would report a broken pipe and read nothing.
class ExchangeStream final : public httplib::Stream {
 public:
  ExchangeStream(DaemonSocket& socket, milliseconds timeout, const UploadObserver& observer)
      : socket_(socket), timeout_(timeout), observer_(observer) {}

  // True when there is input; false when the daemon wants no more of the body.
  bool await_input(int input_fd) {
    while (!stopped_ && input_fd >= 0) {
      const DaemonSocket::Ready ready = socket_.wait(false, input_fd, kTick);
      if (ready == DaemonSocket::Ready::input) break;
      if (ready == DaemonSocket::Ready::to_read) stopped_ = true;
      if (ready == DaemonSocket::Ready::nothing) report_waiting();
    }
    return !stopped_;
  }

  bool stopped() const noexcept { return stopped_; }
  bool answered() const noexcept { return answered_; }
  bool timed_out() const noexcept { return timed_out_; }

  // Releases of httplib differ in which of these four they have, hence no `override`.
  bool is_writable() const { return true; }  // NOLINT(modernize-use-override)
  bool wait_writable() const { return true; }
  bool wait_readable() const { return true; }
  time_t duration() const { return 0; }

  bool is_readable() const override { return true; }
  ssize_t read(char* bytes, size_t size) override;
  ssize_t write(const char* bytes, size_t size) override;
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return socket_.fd(); }

 private:
  void report_waiting() const {
    if (observer_.waiting) observer_.waiting();
  }

  DaemonSocket& socket_;
  const milliseconds timeout_;
  const UploadObserver& observer_;
  bool stopped_ = false;
  bool answered_ = false;
  bool timed_out_ = false;
  // httplib asks for the header byte by byte.
  std::array<char, 8192> buffer_{};
  std::size_t buffered_ = 0;
  std::size_t taken_ = 0;
};

ssize_t ExchangeStream::write(const char* bytes, size_t size) {
  const auto deadline = steady_clock::now() + timeout_;
  while (!stopped_) {
    switch (socket_.wait(true, -1, kTick)) {
      case DaemonSocket::Ready::to_read:
        stopped_ = true;
        break;
      case DaemonSocket::Ready::to_write: {
        const std::ptrdiff_t sent = socket_.send(bytes, size);
        if (sent > 0) return sent;
        if (sent < 0) stopped_ = true;
        break;
      }
      default:
        report_waiting();
        timed_out_ = steady_clock::now() > deadline;
        if (timed_out_) return -1;
    }
  }
  return static_cast<ssize_t>(size);
}

ssize_t ExchangeStream::read(char* bytes, size_t size) {
  if (taken_ == buffered_) {
    const auto deadline = steady_clock::now() + timeout_;
    while (socket_.wait(false, -1, kTick) == DaemonSocket::Ready::nothing) {
      report_waiting();
      timed_out_ = steady_clock::now() > deadline;
      if (timed_out_) return -1;
    }
    const std::ptrdiff_t received = socket_.receive(buffer_.data(), buffer_.size());
    if (received <= 0) return received;
    answered_ = true;
    buffered_ = static_cast<std::size_t>(received);
    taken_ = 0;
  }
  const std::size_t count = std::min(size, buffered_ - taken_);
  std::memcpy(bytes, buffer_.data() + taken_, count);
  taken_ += count;
  return static_cast<ssize_t>(count);
}

// Opens up the one step of httplib's client that takes a stream.
class Exchange final : public httplib::ClientImpl {
 public:
  Exchange() : ClientImpl("localhost") { set_url_encode(false); }

  bool run(httplib::Stream& stream, httplib::Request& request, httplib::Response& response) {
    httplib::Error error = httplib::Error::Success;
    return process_request(stream, request, response, true, error);
  }
};

// Feeds the body to httplib, which calls `operator()` until all of it is there. An input that fails
// ends the exchange without the end of the body, so that the daemon cannot take it for a whole one.
class BodyProvider {
 public:
  BodyProvider(Upload& upload, ExchangeStream& stream, const UploadObserver& observer)
      : upload_(upload), stream_(stream), observer_(observer), buffer_(kChunkBytes) {}

  bool operator()(std::size_t length, bool chunked, httplib::DataSink& sink) {
    try {
      return step(length, chunked, sink);
    } catch (...) {
      failure_ = std::current_exception();  // not through a library that does not expect it
      return false;
    }
  }

  std::exception_ptr failure() const noexcept { return failure_; }

 private:
  bool step(std::size_t length, bool chunked, httplib::DataSink& sink) {
    const std::size_t wanted = chunked ? kChunkBytes : std::min(kChunkBytes, length);
    if (!stream_.await_input(upload_.poll_fd())) {
      // Swallowed by the stream; httplib only wants to see the count come out right.
      if (chunked) {
        sink.done();
        return true;
      }
      return sink.write(buffer_.data(), wanted);
    }
    const std::size_t count = upload_.read(buffer_.data(), wanted);
    if (count == 0 && !chunked) {
      throw_usage(upload_.name() + " got shorter while it was read");
    }
    sent_ += count;
    if (observer_.sent) observer_.sent(sent_);
    // Said before it is so: once the daemon has the end, it may act on it.
    if ((count == 0 || (!chunked && count == length)) && observer_.all_sent) observer_.all_sent();
    if (count > 0 && !sink.write(buffer_.data(), count)) return false;
    if (count == 0) sink.done();
    return true;
  }

  Upload& upload_;
  ExchangeStream& stream_;
  const UploadObserver& observer_;
  std::vector<char> buffer_;
  std::uint64_t sent_ = 0;
  std::exception_ptr failure_;
};

httplib::Request make_request(const char* method, const std::string& target,
                              const Endpoint& endpoint) {
  httplib::Request request;
  request.method = method;
  request.path = target;
  request.headers = {{"Host", endpoint.host_header()},
                     {"User-Agent", "faas/" FAAS_VERSION},
                     {"Accept", "application/json"},
                     {"Accept-Encoding", "identity"}};
  if (!endpoint.token.empty()) request.set_header("Authorization", "Bearer " + endpoint.token);
  return request;
}

[[noreturn]] void throw_no_answer(const Endpoint& endpoint, const ExchangeStream& stream,
                                  milliseconds timeout) {
  const std::string where = endpoint.describe();
  std::string reason;
  if (stream.timed_out()) {
    reason = "did not answer within " + std::to_string(timeout.count() / 1000) + " seconds";
  } else if (stream.answered()) {
    reason = "answered with something that is not HTTP, or broke off: is it faasd?";
  } else if (stream.stopped()) {
    reason = "hung up during the upload without an answer: see faasd's log";
  } else {
    reason = "hung up without an answer: see faasd's log";
  }
  throw Failure(ExitCode::no_daemon, where + " " + reason);
}

bool append_bounded(std::string& body, const char* bytes, std::size_t size) {
  if (body.size() + size > kAnswerBytesMax) return false;
  body.append(bytes, size);
  return true;
}

Answer exchange(const Endpoint& endpoint, httplib::Request& request, ExchangeStream& stream,
                milliseconds timeout, const BodyProvider* provider = nullptr) {
  Answer answer;
  request.content_receiver = [&answer](const char* bytes, size_t size, uint64_t, uint64_t) {
    return append_bounded(answer.body, bytes, size);
  };
  httplib::Response response;
  Exchange http;
  const bool complete = http.run(stream, request, response);
  if (provider != nullptr && provider->failure()) std::rethrow_exception(provider->failure());
  answer.status = response.status;
  // A refusal whose text was cut off by the reset of an unread upload is still a refusal.
  if (!complete && response.status < 400) throw_no_answer(endpoint, stream, timeout);
  return answer;
}

Answer plain_exchange(const Endpoint& endpoint, const char* method, const std::string& target,
                      milliseconds timeout, const std::string& json = {},
                      const UploadObserver& observer = {}) {
  DaemonSocket socket(endpoint);
  ExchangeStream stream(socket, timeout, observer);
  httplib::Request request = make_request(method, target, endpoint);
  if (!json.empty()) {
    request.set_header("Content-Type", "application/json");
    request.body = json;
  }
  return exchange(endpoint, request, stream, timeout);
}

Answer follow_exchange(const Endpoint& endpoint, httplib::Request& request,
                       const std::function<void(std::string_view)>& on_bytes) {
  const UploadObserver nobody;
  DaemonSocket socket(endpoint);
  ExchangeStream stream(socket, kLookTimeout, nobody);
  Answer answer;
  std::exception_ptr failure;
  request.response_handler = [&answer](const httplib::Response& response) {
    answer.status = response.status;
    return true;
  };
  request.content_receiver = [&](const char* bytes, size_t size, uint64_t, uint64_t) {
    if (!answer.ok()) return append_bounded(answer.body, bytes, size);
    try {
      on_bytes({bytes, size});
      return true;
    } catch (...) {
      failure = std::current_exception();  // not through a library that does not expect it
      return false;
    }
  };
  httplib::Response response;
  Exchange http;
  const bool complete = http.run(stream, request, response);
  if (failure) std::rethrow_exception(failure);
  if (!complete && answer.status < 400) throw_no_answer(endpoint, stream, kLookTimeout);
  return answer;
}

}  // namespace

Answer DaemonClient::get(const std::string& target, milliseconds timeout) const {
  return plain_exchange(endpoint_, "GET", target, timeout);
}

Answer DaemonClient::follow(const std::string& target,
                            const std::function<void(std::string_view)>& on_bytes) const {
  httplib::Request request = make_request("GET", target, endpoint_);
  return follow_exchange(endpoint_, request, on_bytes);
}

Answer DaemonClient::follow(const std::string& target, const std::string& json,
                            const std::function<void(std::string_view)>& on_bytes) const {
  httplib::Request request = make_request("POST", target, endpoint_);
  request.set_header("Content-Type", "application/json");
  request.body = json;
  return follow_exchange(endpoint_, request, on_bytes);
}

std::exception_ptr failure;

Answer DaemonClient::remove(const std::string& target) const {
  return plain_exchange(endpoint_, "DELETE", target, kChangeTimeout);
}

Answer DaemonClient::post(const std::string& target, const std::string& json,
                          const UploadObserver& observer) const {
  return plain_exchange(endpoint_, "POST", target, kChangeTimeout, json, observer);
}

Answer DaemonClient::put(const std::string& target, Upload& body,
                         const UploadObserver& observer) const {
  DaemonSocket socket(endpoint_);
  ExchangeStream stream(socket, kChangeTimeout, observer);
  httplib::Request request = make_request("PUT", target, endpoint_);
  request.set_header("Content-Type", "application/x-tar");
  const bool chunked = !body.size();
  BodyProvider provider(body, stream, observer);
  request.content_provider_ = [&provider, chunked](size_t, size_t length, httplib::DataSink& sink) {
    return provider(length, chunked, sink);
  };
  request.is_chunked_content_provider_ = chunked;
  if (chunked) {
    request.set_header("Transfer-Encoding", "chunked");
  } else {
    request.content_length_ = static_cast<std::size_t>(*body.size());
  }
  return exchange(endpoint_, request, stream, kChangeTimeout, &provider);
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    const bool digit = byte >= '0' && byte <= '9';
    if (letter || digit || c == '-' || c == '.' || c == '_' || c == '~') {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kDigits[byte >> 4];
      encoded += kDigits[byte & 15];
    }
  }
  return encoded;
}

}  // namespace cli
