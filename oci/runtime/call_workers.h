// The threads that answer trapped calls (trapped_calls.h). Whatever a container does to make an
// answer slow, such as holding the lock of its own memory while an address is read from it, it must
// wait for alone: a thread serves one container at a time, and none is left without.
// Used on one thread, which owns it; the work is done on others.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "oci/runtime/trapped_calls.h"
#include "oci/sys/event_loop.h"

namespace runtime {

class CallWorkers {
 public:
  // `loop` is the owner's thread's, and outlives this. Throws what makes a thread or a StandIn
  // fail.
  explicit CallWorkers(sys::EventLoop& loop);
  ~CallWorkers();  // waits until no call is being answered
  CallWorkers(const CallWorkers&) = delete;
  CallWorkers& operator=(const CallWorkers&) = delete;

  // Answers the calls that have come, until none is left that has to wait; then `done`, on the
  // owner's thread. Throws std::system_error if there is no thread for it.
  void serve(std::shared_ptr<TrappedCalls> calls, std::function<void(TrappedCalls::Outcome)> done);

 private:
  class Worker;

  void on_done(Worker* worker);

  sys::EventLoop& loop_;
  std::vector<std::unique_ptr<Worker>> idle_;
  std::unordered_map<Worker*, std::unique_ptr<Worker>> busy_;
};

}  // namespace runtime
