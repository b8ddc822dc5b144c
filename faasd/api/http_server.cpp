#include "faasd/api/http_server.h"

#include <sys/epoll.h>

#include "oci/sys/socket.h"
#include "oci/sys/timed_io.h"

namespace api {
namespace {

using Clock = std::chrono::steady_clock;

// Connections taken from one listener before the other gets its turn.
constexpr int kAcceptsPerTurn = 16;
// No descriptor was left to accept with: how long to leave the listener alone.
constexpr std::chrono::milliseconds kAcceptPause{100};
// Connections that were told 503 and are kept until they have read it; beyond, they are just
// closed.
constexpr std::size_t kMaxTurned = 1'024;

// Reads and drops, until the client has had a chance to read its answer.
void linger(int fd, sys::Deadline deadline) {
  sys::shutdown_write(fd);
  std::vector<char> dropped(65'536);
  while (Clock::now() < deadline) {
    if (sys::receive_before(fd, dropped, deadline).status != sys::IoStatus::done) return;
  }
}

// Counted from its first moment: by the thread that accepts, before the connection has its own. No
// count: it is known already.
class Stranger {
 public:
  explicit Stranger(std::atomic<std::size_t>* count) : count_(count) {}
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  ~Stranger() { becomes_known(); }

  void becomes_known() noexcept {
    if (count_ != nullptr) --*count_;
    count_ = nullptr;
  }

 private:
  std::atomic<std::size_t>* count_;
};

// root in a burst is no stranger, and the kernel says so at once. Whether somebody is in a group
// may take a look into a directory service, for which the thread that accepts has no time.
bool is_root(int fd) {
  const Peer peer = identify_peer(fd);
  return peer.transport != Transport::remote_tcp && peer.uid == uid_t{0};
}

bool is_known(const GuardedRequest& request) {
  return !request.refusal && request.caller != kAnybody;
}

}  // namespace

HttpServer::HttpServer(std::vector<sys::UniqueFd> listeners, Router& router, const sys::Log& log,
                       const ServerOptions& options)
    : router_(router), log_(log), options_(options) {
  for (sys::UniqueFd& fd : listeners) {
    sys::set_nonblocking(fd.get(), true);
    listeners_.emplace_back().fd = std::move(fd);
  }
}

HttpServer::~HttpServer() {
  stop(std::chrono::milliseconds(0));
}

void HttpServer::start() {
  for (Listener& listener : listeners_) listen_on(listener);
  acceptor_ = std::thread([this] {
    try {
      loop_.run();
    } catch (const std::exception& error) {
      // Only epoll itself failing leads here; without it nothing can be served.
      log_.error("api_failed", {{"error", error.what()}});
      std::terminate();
    }
  });
}

void HttpServer::stop(std::chrono::milliseconds grace) {
  if (acceptor_.joinable()) {
    loop_.post([this, grace] { begin_stop(grace); });
    acceptor_.join();
  }
  turned_.clear();
  listeners_.clear();
}

void HttpServer::begin_stop(std::chrono::milliseconds grace) {
  stopping_ = true;
  for (Listener& listener : listeners_) {
    listener.watch.reset();
    listener.pause.reset();
    listener.fd.reset();
  }
  grace_ = loop_.after(grace, [this] {
    for (const Connection& connection : connections_) sys::shutdown_both(connection.fd.get());
  });
  if (connections_.empty()) loop_.stop();
}

void HttpServer::listen_on(Listener& listener) {
  listener.watch = loop_.watch(listener.fd.get(), EPOLLIN, [this, &listener](auto) {
    try {
      accept_some(listener);
    } catch (const std::exception& error) {
      log_.error("accept_failed", {{"error", error.what()}});
    }
  });
}

void HttpServer::accept_some(Listener& listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sys::Accepted accepted = sys::accept_connection(listener.fd.get());
    if (accepted.fd) {
      admit(listener, std::move(accepted.fd));
      continue;
    }
    if (accepted.error == sys::AcceptError::no_room) {
      log_.warn("accept_paused", {{"reason", "no descriptor or memory is left"}});
      listener.watch.reset();
      listener.pause = loop_.after(kAcceptPause, [this, &listener] { listen_on(listener); });
    }
    return;
  }
}

void HttpServer::admit(Listener& listener, sys::UniqueFd fd) {
  const bool crowded = listener.strangers >= options_.max_strangers;
  const bool known = crowded && is_root(fd.get());
  if (listener.connections >= options_.max_connections || (crowded && !known)) {
    return turn_away(std::move(fd));
  }
  const auto connection = connections_.emplace(connections_.end());
  connection->fd = std::move(fd);
  connection->listener = &listener;
  std::atomic<std::size_t>* const count = known ? nullptr : &listener.strangers;
  if (count != nullptr) ++*count;
  try {
    connection->thread = std::thread([this, connection, count] {
      serve(connection->fd.get(), count);
      loop_.post([this, connection] { join(connection); });
    });
    ++listener.connections;
  } catch (const std::system_error& error) {
    if (count != nullptr) --*count;
    log_.warn("connection_refused", {{"error", error.what()}});
    turn_away(std::move(connection->fd));
    connections_.erase(connection);
  }
}

void HttpServer::serve(int fd, std::atomic<std::size_t>* strangers) const noexcept {
  const ConnectionTimes& times = options_.times;
  Stranger stranger(strangers);
  try {
    std::optional<GuardedRequest> request =
        read_request(fd, Clock::now() + times.head, router_.admission(), log_);
    if (!request) return;
    if (is_known(*request)) stranger.becomes_known();
    RequestStream stream(fd, times, *request);
    router_.answer(*request, stream);
    if (stream.wrote_all()) linger(fd, Clock::now() + times.linger);
  } catch (const std::exception& error) {
    log_.warn("answer_failed", {{"error", error.what()}});
  }
}

void HttpServer::turn_away(sys::UniqueFd fd) {
  if (turned_.size() >= kMaxTurned) return;
  GuardedRequest request;
  request.refusal =
      HttpError(503, "too_many_connections", "too many connections to the control API; try again");
  ConnectionTimes at_once;
  at_once.write_idle = std::chrono::milliseconds(0);
  RequestStream stream(fd.get(), at_once, request);
  router_.answer(request, stream);
  if (!stream.wrote_all()) return;
  sys::shutdown_write(fd.get());
  const auto turned = turned_.emplace(turned_.end());
  turned->fd = std::move(fd);
  turned->watch = loop_.watch(turned->fd.get(), EPOLLIN, [this, turned](auto) {
    const ssize_t n = sys::discard_input(turned->fd.get());
    if (n == 0 || n == -2) turned_.erase(turned);
  });
  turned->timer = loop_.after(options_.times.linger, [this, turned] { turned_.erase(turned); });
}

void HttpServer::join(std::list<Connection>::iterator connection) {
  connection->thread.join();
  --connection->listener->connections;
  connections_.erase(connection);
  if (stopping_ && connections_.empty()) loop_.stop();
}

}  // namespace api
