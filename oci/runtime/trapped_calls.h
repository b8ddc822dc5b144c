// The socket calls of one container that its seccomp filter leaves to us: connect, bind, listen,
// and sending with MSG_FASTOPEN. The socket that a handler is given belongs to the network of the
// host: connected anew, it would reach whatever the host reaches. So these calls are never let
// through; each is made here, in the caller's place, on a duplicate of its socket and with a copy
// of its address, if the socket belongs to the container's own network namespace. Whatever another
// thread changes meanwhile, it is that socket and that address that were looked at. Anything else
// is EPERM, and counted as an attempt to escape. Source: seccomp_unotify(2), "Intended purpose".
// Owned by the ConnectBroker; while there are calls, used by one of its CallWorkers alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "oci/sys/event_loop.h"
#include "oci/sys/other_thread.h"
#include "oci/sys/seccomp_notify.h"
#include "oci/sys/unique_fd.h"

namespace runtime {

class TrappedCalls {
 public:
  enum class Outcome {
    idle,   // no call waits: the next one makes the listener readable
    ended,  // no process of the container is left, or no more can be answered
  };

  // `escape` is called on the thread that serves, before the caller hears of it.
  TrappedCalls(sys::UniqueFd listener, std::function<void(sys::SocketCall)> escape);

  int listener() const noexcept { return listener_.get(); }

  // Answers calls on this loop, which is the calling thread's, as `stand_in` is. At the end, which
  // may be soon, calls `done` there, and touches neither this nor the other two from then on: it
  // may be served again, by another thread.
  void serve(sys::EventLoop& loop, sys::StandIn& stand_in, std::function<void(Outcome)> done);

 private:
  // One call, and of connect(2) one that may have to wait.
  struct Attempt {
    pid_t thread = 0;
    sys::UniqueFd socket;
    sys::Standpoint standpoint;
    std::vector<std::byte> address;
    std::chrono::milliseconds pause{0};  // before the next try
    sys::EventLoop::Timer retry;
    sys::EventLoop::Watch connected;
  };

  void on_event(sys::EventLoop::Events events);
  void take_one();
  void answer(std::uint64_t id, const std::function<std::optional<int>()>& perform);
  // What the call has come to; nothing if it has to wait.
  std::optional<int> handle(const sys::TrappedCall& call);
  int refuse(sys::SocketCall call);
  std::optional<int> connect(std::uint64_t id, Attempt attempt);
  std::optional<int> wait(std::uint64_t id, Attempt attempt, int error);
  void retry(std::uint64_t id);
  void on_connected(std::uint64_t id);
  int once(const Attempt& attempt, int error, int error_of_second_call);
  void start_watching();
  void leave_if_idle();
  void leave(Outcome outcome);

  const sys::UniqueFd listener_;
  const std::function<void(sys::SocketCall)> escape_;
  std::unordered_map<std::uint64_t, Attempt> waiting_;  // by the number of the call
  std::unordered_map<pid_t, std::uint64_t> done_;  // the socket that was connected or bound last
  int calls_in_turn_ = 0;
  sys::EventLoop::Clock::time_point end_of_turn_;
  bool distrusted_ = false;  // it has made us wait on purpose

  // While it is served.
  sys::EventLoop* loop_ = nullptr;
  sys::StandIn* stand_in_ = nullptr;
  std::function<void(Outcome)> done_serving_;
  sys::EventLoop::Timer turn_;
  sys::EventLoop::Watch watch_;  // of listener_, but for the rest of a turn that was used up
};

}  // namespace runtime
