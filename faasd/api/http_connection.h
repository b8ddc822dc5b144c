// One conversation on one accepted socket: a head is read, checked and handed to the handler, its
// answer is written, the socket is closed. One request a connection, so that what was not read of a
// body can never be taken for the next request. Belongs to one thread; another may shut the socket
// down to end it. Deadlines are in ConnectionTimes; whatever goes wrong is answered if it can be.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "faasd/api/attest.h"
#include "faasd/api/http_framing.h"
#include "oci/sys/log.h"

namespace api {

struct ConnectionTimes {
  // The whole head; a client that has one sends it in one packet.
  std::chrono::milliseconds head{10'000};
  // Between two pieces of a body: `docker save` of a large image pauses for seconds.
  std::chrono::milliseconds body_idle{30'000};
  // How long a client may take nothing of its answer.
  std::chrono::milliseconds write_idle{30'000};
  // After the answer: how long what the client still sends is read and dropped. Closing a socket
  // with unread input resets it, and the reset overtakes the answer (RFC 9112, 9.6). Many clients
  // read no answer before they have sent all: at the speed of a disk this is a large image.
  std::chrono::milliseconds linger{5'000};
};

struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;  // beyond those that every answer has
};

// Strings that are not UTF-8 get U+FFFD: an image may hold anything, and answering never throws.
Response json_response(int status, const nlohmann::json& json);

// {"error": message, "code": code}, and the headers that belong to the status.
Response error_response(int status, const std::string& code, const std::string& message);

// The answer as it goes over the wire, always with Content-Length and Connection: close. A HEAD
// request gets the head alone.
std::string to_wire(const Response& response, bool head_only);

// The body of a request, read as the handler asks for it and never held as a whole.
class RequestBody {
 public:
  RequestBody(int fd, const ConnectionTimes& times, BodyFraming framing, std::string first_bytes,
              bool wants_continue);

  bool present() const noexcept { return framing_.has_body(); }
  // The next piece, valid until the next call; empty at the end. The first call sends the "100
  // Continue" that a client waits for: it sends nothing before the handler wants it.
  // Throws HttpError: 400 if the body is cut off or malformed, 408 if nothing comes.
  std::string_view read();

 private:
  void fill();
  std::string_view take();

  int fd_;
  ConnectionTimes times_;
  BodyFraming framing_;
  bool wants_continue_;
  ChunkDecoder chunks_;
  std::string buffer_;
  std::string_view unread_;  // of buffer_
};

struct Request {
  RequestHead head;
  Target target;
  Peer peer;
};

// Throws HttpError for what it refuses; any other exception is answered with 500 and logged.
using Handler = std::function<Response(const Request&, RequestBody&)>;

// Runs the whole conversation; the caller closes `fd` afterwards. Never throws.
void serve_connection(int fd, const ConnectionTimes& times, const Handler& handler,
                      const sys::Log& log) noexcept;

}  // namespace api
