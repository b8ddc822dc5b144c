// What cpp-httplib sees of a connection: a constant head, then the body without its framing, then
// the end. What it writes goes to the socket. So its parsers meet no byte of a client's head and no
// chunk; the request itself is handed over by Router. Belongs to the connection's thread.
#pragma once

#include <httplib.h>

#include <chrono>
#include <string>
#include <string_view>

#include "faasd/api/guarded_request.h"

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

class RequestStream : public httplib::Stream {
 public:
  // `request` is used as long as the stream lives.
  RequestStream(int fd, const ConnectionTimes& times, GuardedRequest& request);

  // False once the client takes nothing any more, or has ended its side: asked only before another
  // piece of an answer that has no end of its own.
  bool is_writable() const override { return writable_ && !sys::peer_has_ended(fd_); }
  // False if the client did not take the whole answer.
  bool wrote_all() const noexcept { return writable_; }
  bool is_readable() const override { return true; }

  // 0 at the end of the body. The first read of a body sends the "100 Continue" that a client waits
  // for: it sends nothing before a handler wants it. Throws HttpError, which cpp-httplib gives to
  // its exception handler: 400 if the body is cut off or malformed, 408 if nothing comes.
  ssize_t read(char* to, std::size_t size) override;
  ssize_t write(const char* bytes, std::size_t size) override;

  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  // None: cpp-httplib would refuse a descriptor that select(2) cannot take, and needs it for
  // nothing else.
  socket_t socket() const override { return INVALID_SOCKET; }

 private:
  std::string_view next_of_body();
  void fill();

  int fd_;
  ConnectionTimes times_;
  GuardedRequest& request_;
  ChunkDecoder chunks_;
  std::string_view head_;
  std::string_view unread_;  // of request_.body_start, later of buffer_
  std::string_view piece_;   // of unread_, without framing
  std::string buffer_;
  bool writable_ = true;
};

}  // namespace api
