#include "faasd/serve/traffic_ledger.h"

#include <sys/epoll.h>

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "faasd/function/bounds.h"

namespace serve {
namespace {

std::uint64_t name_of(const sys::TcpEndpoint& end) {
  return std::uint64_t{end.address.bits} << 16 | end.port;
}

// What there is to know, is known.
template <typename Entry>
bool is_complete(const Entry& entry) {
  return entry.gone && entry.client_sent;
}

}  // namespace

TrafficLedger::TrafficLedger(sys::EventLoop& loop, const sys::Log& log, sys::Ipv4 first,
                             sys::Ipv4 last)
    : loop_(loop) {
  try {
    farewells_.emplace(first, last);
    watch_ = loop_.watch(farewells_->fd(), EPOLLIN, [this](auto) { read_farewells(); });
  } catch (const std::exception& error) {
    log.warn("traffic_not_told", {{"reason", error.what()}});
  }
}

sys::Connection TrafficLedger::expect(int client) {
  const sys::Connection connection = sys::connection_of(client);
  if (connection.cookie == 0) return connection;
  Entry& entry = entries_[connection.cookie];
  entry.connection = connection;
  entry.traffic = sys::traffic_of(client);
  by_client_[{name_of(connection.remote), name_of(connection.local)}] = connection.cookie;
  return connection;
}

void TrafficLedger::forget(const sys::Connection& connection) {
  entries_.erase(connection.cookie);
  by_client_.erase({name_of(connection.remote), name_of(connection.local)});
}

void TrafficLedger::settle(const sys::Connection& connection, Done done) {
  read_farewells();
  const auto found = entries_.find(connection.cookie);
  if (found == entries_.end()) return done({});
  Entry& entry = found->second;
  entry.done = std::move(done);
  if (is_complete(entry) || !farewells_) return conclude(connection.cookie);
  entry.timer = loop_.after(function::bounds::kTrafficPatience,
                            [this, cookie = connection.cookie] { conclude(cookie); });
}

void TrafficLedger::settle_all() {
  read_farewells();
  std::vector<std::uint64_t> waiting;
  for (const auto& [cookie, entry] : entries_) {
    if (entry.done) waiting.push_back(cookie);
  }
  for (const std::uint64_t cookie : waiting) conclude(cookie);
}

void TrafficLedger::read_farewells() {
  if (!farewells_) return;
  farewells_->read_some([this](const sys::Farewell& farewell) { on_farewell(farewell); });
}

void TrafficLedger::on_farewell(const sys::Farewell& farewell) {
  const auto& [of, traffic] = farewell;
  const auto client = by_client_.find({name_of(of.local), name_of(of.remote)});
  const auto found = entries_.find(client == by_client_.end() ? of.cookie : client->second);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  if (client != by_client_.end()) {
    entry.client_sent = traffic.out;
  } else {
    entry.traffic = traffic;
    entry.gone = true;
  }
  if (entry.done && is_complete(entry)) conclude(found->first);
}

void TrafficLedger::conclude(std::uint64_t cookie) {
  auto node = entries_.extract(cookie);
  if (node.empty()) return;
  Entry& entry = node.mapped();
  const sys::Connection& connection = entry.connection;
  by_client_.erase({name_of(connection.remote), name_of(connection.local)});
  try {
    // Nobody has it, and its client has yet to read or to acknowledge the end.
    if (!entry.gone) entry.traffic = sys::traffic_of(connection).value_or(entry.traffic);
    if (!entry.client_sent) {
      const auto client = sys::traffic_of(sys::Connection{0, connection.remote, connection.local});
      if (client) entry.client_sent = client->out;
    }
  } catch (const std::exception&) {
    // Then what was known before has to do.
  }
  // The other way round, the handler ended before all of it had arrived.
  if (entry.client_sent) entry.traffic.in = std::min(entry.traffic.in, *entry.client_sent);
  entry.done(entry.traffic);
}

}  // namespace serve
