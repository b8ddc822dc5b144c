// From accept to Handoff: owns the listeners, the queues and the instances of all functions, and
// decides with Admission who runs. Everything here happens on the event-loop thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "faasd/function/address_pool.h"
#include "faasd/instance/instance.h"
#include "faasd/serve/admission.h"
#include "faasd/serve/answer.h"
#include "faasd/serve/client.h"
#include "faasd/serve/closing.h"
#include "faasd/serve/listener.h"
#include "faasd/serve/pool.h"
#include "faasd/serve/tally.h"
#include "faasd/serve/template.h"
#include "faasd/serve/traffic_ledger.h"

namespace serve {

struct Counts {
  std::uint64_t live = 0;
  std::uint64_t parked = 0;
  std::uint64_t queued = 0;
  std::uint64_t invocations = 0;
  std::string snapshot;  // of a branched function, for people: Template::describe
};

class Dispatcher {
 public:
  // `subnet` is where functions have their addresses.
  Dispatcher(const instance::Workshop& workshop, HostBounds bounds, const function::Subnet& subnet);
  ~Dispatcher();

  // Starts to serve a function on a bound listener, a language without one. This, `replace` and
  // `call` throw sys::Refused(unavailable) once a drain has begun.
  void install(std::shared_ptr<const instance::Blueprint> blueprint, sys::UniqueFd listener);
  // Later connections get this version; those that run finish with theirs. Nothing is refused.
  void replace(std::shared_ptr<const instance::Blueprint> blueprint);
  // What can be made before its first connection, of a function that has just been deployed.
  void prepare(const std::string& name);
  // Stops accepting; `drained` is called once nothing of it waits, runs or is being swept.
  void retire(const std::string& name, std::function<void()> drained);
  // Serves a client of the daemon's own, which waits for its turn as all do. Throws
  // sys::Refused(not_found) if the function is not served.
  void call(const std::string& name, Client client);
  // Ends the instance of a call: Instance::kill. Nothing if it has ended. A call that still waits
  // ends when its caller closes the other end.
  void stop(const std::string& instance, instance::Outcome outcome, const std::string& reason);
  // The functions that are languages.
  std::vector<function::Function> languages() const;
  Counts counts(const std::string& name) const;
  // Any thread.
  Metrics metrics() const { return {tallies_.counts(), workshop_.journal.lost()}; }

  // Retires every function; `drained` as above, for all of them.
  void drain(std::function<void()> drained);
  // Ends what a drain still waits for: refuses who waits, kills who runs.
  void end_all(const std::string& reason);

 private:
  using Clock = sys::EventLoop::Clock;

  struct Waiting {
    Client client;
    Clock::time_point since;
    sys::EventLoop::Timer timeout;
    sys::EventLoop::Watch hangup;
  };

  // One function that is being served, or retired and not drained yet, beside a new one of the same
  // name.
  struct Service {
    std::shared_ptr<const instance::Blueprint> blueprint;
    std::shared_ptr<journal::Book> book;
    std::shared_ptr<Tally> tally;
    std::optional<Listener> listener;
    std::unique_ptr<Pool> pool;             // if it was ever asked for
    std::unique_ptr<Template> branched_of;  // if it was ever asked for
    std::list<Waiting> queue;
    std::size_t live = 0;
    std::uint64_t invocations = 0;
    std::chrono::milliseconds mean_time{100};  // from start to gone, moving average
    bool in_turn = false;                      // listed in turns_
    bool looked_for = false;                   // listed in short_
    std::function<void()> drained;             // set once retired
  };
  using ServicePtr = std::shared_ptr<Service>;

  void on_connection(const ServicePtr& service, Client client);
  void enqueue(const ServicePtr& service, Client client);
  void start_waiting();
  void start(const ServicePtr& service, Client client, std::chrono::microseconds queued);
  void start(const ServicePtr& service, Client client, std::chrono::microseconds queued,
             std::unique_ptr<instance::Instance> parked);
  std::unique_ptr<instance::Instance> take_parked(const ServicePtr& service, const Client& client);
  std::unique_ptr<instance::Instance> launch(const ServicePtr& service, const std::string& id,
                                             const Client& client,
                                             instance::Instance::Callbacks callbacks);
  instance::Instance::Callbacks callbacks_for(const ServicePtr& service, const std::string& id,
                                              const Client& client,
                                              const sys::Connection& connection);
  void on_ended(const ServicePtr& service, const sys::Connection& connection, Client client,
                instance::Receipt receipt);
  void on_gone(const ServicePtr& service, const std::string& id, Clock::time_point started);
  void refuse(const ServicePtr& service, Client client, std::string_view code,
              const std::string& message, std::chrono::microseconds queued);
  std::size_t answer(const Service& service, Client& client, const Answer& answer);
  void record(const Service& service, const Client& client, instance::Receipt receipt) const;
  void check_drained(const ServicePtr& service);
  void check_all_drained();
  void have_pool(const ServicePtr& service);
  void have_template(const ServicePtr& service);
  void want_template(const ServicePtr& service);
  void on_template_change(const ServicePtr& service);
  void drop_large_snapshots();
  static void give_up_template(const Service& service, const std::string& reason);
  static void on_loss(const Service& service, const instance::Receipt& receipt);
  static const std::shared_ptr<const instance::Blueprint>& beginning_of(const Service& service);
  void on_pool_change(const ServicePtr& service);
  void look_for_short(const ServicePtr& service);
  void refill_soon();
  void refill();
  bool add_to(const Service& service);
  void look_at_pools();
  void check_open() const;
  static FunctionLoad load_of(const Service& service);
  static FunctionLoad load_for(const Service& service, const Client& client);
  HostLoad host_load() const;
  static void note_load(const Service& service);

  instance::Workshop workshop_;
  HostBounds bounds_;
  HostLoad host_;
  Closing closing_;
  TrafficLedger traffic_;
  Tallies tallies_;
  PoolTotals pooled_;
  std::map<std::string, ServicePtr> services_;  // by name; retired ones are not listed
  std::list<ServicePtr> turns_;                 // those with a queue, in round-robin order
  // Those that have a connection, or had one; the others are their pools'.
  std::unordered_map<std::string, std::unique_ptr<instance::Instance>> instances_;
  std::list<ServicePtr> short_;  // those whose pool may want another one, in round-robin order
  sys::EventLoop::Timer refill_;
  sys::EventLoop::Timer look_;
  std::set<ServicePtr> retired_;  // until they are drained
  bool closed_ = false;           // a drain has begun
  std::function<void()> all_drained_;
};

}  // namespace serve
