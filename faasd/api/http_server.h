// Accepts on listening sockets that it is given and runs one thread a connection, up to a bound for
// each listener: connections of one never crowd out those of another (anybody may connect to
// loopback TCP, and root's Unix socket still answers). Beyond the bound a connection is told 503 by
// the accepting thread. Constructed, started and stopped by one thread.
//
// One request a connection, so that what was not read of a body can never be taken for the next
// request. Whatever goes wrong is answered if it can be.
//
// Why cpp-httplib does not listen itself: docs/API.md, "How requests are read".
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <list>
#include <thread>
#include <vector>

#include "faasd/api/request_stream.h"
#include "faasd/api/router.h"
#include "oci/sys/event_loop.h"
#include "oci/sys/log.h"
#include "oci/sys/unique_fd.h"

namespace api {

struct ServerOptions {
  // Of one listener at once: a thousand scripts that stream, and who looks meanwhile. A thread that
  // waits costs some 40 KiB.
  std::size_t max_connections = 2'048;
  // Of them, those that nobody knows yet or that were refused: anybody may connect to loopback TCP.
  // root is known from the first moment.
  std::size_t max_strangers = 256;
  ConnectionTimes times;
};

class HttpServer {
 public:
  // The listeners are bound and listening; they are made non-blocking. Connections queue in the
  // kernel until start().
  HttpServer(std::vector<sys::UniqueFd> listeners, Router& router, const sys::Log& log,
             const ServerOptions& options);
  ~HttpServer();  // stop, without grace
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void start();

  // Closes the listeners, lets conversations that are under way finish for up to `grace`, then ends
  // them by closing their sockets, and returns when the last thread has ended. A handler that is at
  // work at that moment is not interrupted: it finds its client gone when it next reads or answers.
  void stop(std::chrono::milliseconds grace);

 private:
  struct Listener {
    sys::UniqueFd fd;
    sys::EventLoop::Watch watch;
    sys::EventLoop::Timer pause;
    std::size_t connections = 0;
    std::atomic<std::size_t> strangers = 0;
  };
  struct Connection {
    sys::UniqueFd fd;  // open until the thread is joined, so that stop() may shut it down
    Listener* listener = nullptr;
    std::thread thread;
  };
  // A connection over the bound: told so, and kept until the client has read it.
  struct Turned {
    sys::UniqueFd fd;
    sys::EventLoop::Watch watch;
    sys::EventLoop::Timer timer;
  };

  void listen_on(Listener& listener);
  void accept_some(Listener& listener);
  void admit(Listener& listener, sys::UniqueFd fd);
  void turn_away(sys::UniqueFd fd);
  void serve(int fd, std::atomic<std::size_t>* strangers) const noexcept;
  void join(std::list<Connection>::iterator connection);
  void begin_stop(std::chrono::milliseconds grace);

  Router& router_;
  const sys::Log& log_;
  ServerOptions options_;
  sys::EventLoop loop_;
  // These belong to the loop's thread while it runs.
  std::list<Listener> listeners_;
  std::list<Connection> connections_;
  std::list<Turned> turned_;
  sys::EventLoop::Timer grace_;
  bool stopping_ = false;
  std::thread acceptor_;
};

}  // namespace api
