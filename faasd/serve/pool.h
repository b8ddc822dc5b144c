// The instances of one function that are launched and parked, waiting for a connection; each serves
// one and is gone. Owned by the Dispatcher's service, on the event-loop thread. When one may be
// added is for the Dispatcher to say, which knows who else wants the processors.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "faasd/instance/instance.h"
#include "faasd/serve/demand.h"
#include "faasd/serve/pause.h"
#include "faasd/serve/pool_totals.h"

namespace serve {

class Pool {
 public:
  using Clock = Demand::Clock;

  struct Callbacks {
    std::function<void()> change;  // one has been launched or parked, or is gone
    std::function<void(const instance::Receipt&)> loss;  // one has ended that nobody wanted to end
  };

  // All outlive the pool.
  Pool(const instance::Workshop& workshop, std::shared_ptr<const instance::Blueprint> blueprint,
       std::shared_ptr<journal::Book> book, PoolTotals& totals, Callbacks callbacks);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Those of the old version go; none of them serves any more.
  void replace(std::shared_ptr<const instance::Blueprint> blueprint);
  // What is added from now on begins like this; it is the same version.
  void begin_with(std::shared_ptr<const instance::Blueprint> blueprint) {
    blueprint_ = std::move(blueprint);
  }
  // All go, and none is added.
  void close();

  // Somebody comes for whom one would do.
  void arrived() { demand_.arrived(Clock::now()); }
  // One that is parked, to be told whom it reports to; empty if there is none.
  std::unique_ptr<instance::Instance> take();

  // Whether another one is wanted now.
  bool is_short() const;
  // Launches it. Throws nothing: what comes of a failure is a pause.
  void add();
  // Ends those that are not wanted any more, and measures the others.
  void look();
  // Ends one, the longest parked; false if there is none.
  bool drop_one(const std::string& reason);

  std::size_t parked() const noexcept { return parked_.size(); }
  std::uint64_t memory_bytes() const noexcept { return memory_bytes_; }
  // What one more will take, for all that is known.
  std::uint64_t memory_of_one() const noexcept { return memory_of_one_; }
  // Nothing of it is left.
  bool is_empty() const noexcept { return instances_.empty(); }

 private:
  instance::Instance::Callbacks callbacks_for(const std::string& id);
  void on_parked(const std::string& id, Clock::time_point began);
  void on_ended(const std::string& id, const instance::Receipt& receipt);
  void pause_after(const std::string& reason);
  void end_all(const std::string& reason);
  void measure(std::uint64_t bytes);

  const instance::Workshop& workshop_;
  std::shared_ptr<const instance::Blueprint> blueprint_;
  std::shared_ptr<journal::Book> book_;
  PoolTotals& totals_;
  Callbacks callbacks_;
  Demand demand_;
  std::unordered_map<std::string, std::unique_ptr<instance::Instance>> instances_;  // by id
  std::deque<std::string> parked_;  // the longest first
  std::size_t launching_ = 0;
  std::uint64_t memory_bytes_ = 0;
  std::uint64_t memory_of_one_ = 0;
  Pause pause_;
  bool closed_ = false;
};

}  // namespace serve
