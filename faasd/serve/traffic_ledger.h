// How many bytes each handed-off connection carried, although the daemon keeps no copy of its
// socket: the kernel says so when it destroys it, and is asked if that takes too long. The client's
// socket is listened to as well, where it is on this host: what the client has sent is payload
// alone, what the handler has received may count a FIN. Nobody waits for all this but the receipt.
// Loop thread; throws nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "oci/sys/event_loop.h"
#include "oci/sys/log.h"
#include "oci/sys/tcp_traffic.h"

namespace serve {

class TrafficLedger {
 public:
  using Done = std::function<void(const sys::Traffic&)>;

  // For connections to addresses from `first` to `last`. A kernel that brings no news of sockets
  // is asked each time; the log says so.
  TrafficLedger(sys::EventLoop& loop, const sys::Log& log, sys::Ipv4 first, sys::Ipv4 last);

  // From now on this connection is looked out for. Before it is given away.
  sys::Connection expect(int client);
  // It was never given away, or has come back.
  void forget(const sys::Connection& connection);
  // It is over: calls `done` at once, or within bounds::kTrafficPatience; with what was known when
  // it was given away, if nobody knows more.
  void settle(const sys::Connection& connection, Done done);
  // All that wait, now.
  void settle_all();

 private:
  using ClientName = std::pair<std::uint64_t, std::uint64_t>;  // its end, and the function's

  struct Entry {
    sys::Connection connection;
    sys::Traffic traffic;
    bool gone = false;                         // its socket
    std::optional<std::uint64_t> client_sent;  // the client's socket is gone too
    Done done;
    sys::EventLoop::Timer timer;
  };

  void read_farewells();
  void on_farewell(const sys::Farewell& farewell);
  void conclude(std::uint64_t cookie);

  sys::EventLoop& loop_;
  std::unordered_map<std::uint64_t, Entry> entries_;  // by cookie
  std::map<ClientName, std::uint64_t> by_client_;     // the cookie of its connection
  std::optional<sys::TcpFarewells> farewells_;
  sys::EventLoop::Watch watch_;
};

}  // namespace serve
