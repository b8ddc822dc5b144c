#include "oci/runtime/trapped_calls.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

#include "oci/sys/socket.h"

namespace runtime {
namespace {

using std::chrono::milliseconds;

// A call costs some fifty microseconds of a processor, which no container is charged for: what one
// of them may have of a stretch of time. 1,280 connections a second are more than a handler makes.
constexpr int kCallsPerTurn = 64;
constexpr milliseconds kTurn{50};
// Connections of one container that wait, each with up to three descriptors of ours: with as many
// containers as one function may have by default, 3,072.
constexpr std::size_t kMaxWaiting = 16;
// Of one container, whose last call is remembered for a moment.
constexpr std::size_t kMaxThreads = 128;
// A Unix socket whose queue is full: there is no event for the end of that. A try costs us what it
// does not cost the container, so that they become rarer: 16 who wait for long take 3 % of a
// processor.
constexpr milliseconds kFirstPause{2};
constexpr milliseconds kLongestPause{32};

// Arguments of type int: the kernel looks at the lower half only.
int as_int(std::uint64_t argument) {
  return static_cast<int>(static_cast<std::uint32_t>(argument));
}

// As the kernel copies it: move_addr_to_kernel in net/socket.c.
std::vector<std::byte> read_address(const sys::OtherThread& caller, const sys::TrappedCall& call) {
  const int size = as_int(call.arguments[2]);
  if (size < 0 || static_cast<std::size_t>(size) > sys::kMaxSocketAddress) {
    throw std::system_error(EINVAL, std::generic_category());
  }
  std::vector<std::byte> address(static_cast<std::size_t>(size));
  if (size > 0) caller.read_memory(call.arguments[1], address);
  return address;
}

}  // namespace

TrappedCalls::TrappedCalls(sys::UniqueFd listener, std::function<void(sys::SocketCall)> escape)
    : listener_(std::move(listener)), escape_(std::move(escape)) {}

void TrappedCalls::serve(sys::EventLoop& loop, sys::StandIn& stand_in,
                         std::function<void(Outcome)> done) {
  loop_ = &loop;
  stand_in_ = &stand_in;
  done_serving_ = std::move(done);
  start_watching();
}

void TrappedCalls::start_watching() {
  try {
    watch_ = loop_->watch(listener_.get(), EPOLLIN, [this](auto events) { on_event(events); });
  } catch (const std::exception&) {
    leave(Outcome::ended);  // no memory, perhaps
  }
}

void TrappedCalls::on_event(sys::EventLoop::Events events) {
  if ((events & EPOLLIN) == 0) {
    leave(Outcome::ended);
    return;
  }
  const auto now = sys::EventLoop::Clock::now();
  if (now >= end_of_turn_) {
    calls_in_turn_ = 0;
    end_of_turn_ = now + kTurn;
  }
  if (++calls_in_turn_ >= kCallsPerTurn) {
    watch_.reset();
    turn_ = loop_->after(std::chrono::ceil<milliseconds>(end_of_turn_ - now),
                         [this] { waiting_.empty() ? leave(Outcome::idle) : start_watching(); });
  }
  take_one();
  leave_if_idle();
}

void TrappedCalls::leave_if_idle() {
  if (waiting_.empty() && watch_) leave(Outcome::idle);
}

void TrappedCalls::leave(Outcome outcome) {
  watch_.reset();
  turn_.reset();
  waiting_.clear();
  const std::function<void(Outcome)> done = std::move(done_serving_);
  done(outcome);
}

void TrappedCalls::take_one() {
  std::optional<sys::TrappedCall> call;
  try {
    call = sys::receive_trapped_call(listener_.get());
  } catch (const std::system_error&) {
    // No memory, perhaps: it is still there for the next try.
  }
  if (call) answer(call->id, [&] { return handle(*call); });
}

// With what `perform` has come to; not yet if it has to wait.
void TrappedCalls::answer(std::uint64_t id, const std::function<std::optional<int>()>& perform) {
  std::optional<int> error;
  try {
    error = perform();
  } catch (const std::system_error& failed) {
    error = failed.code().value();
  } catch (const std::exception&) {
    error = EPERM;  // no memory, perhaps
  }
  if (error) sys::answer_call(listener_.get(), id, *error);
}

// A signal may call the caller away when its socket is connected or bound already, even with our
// answer on its way. It then makes the call anew, and must hear of the first one.
int TrappedCalls::once(const Attempt& attempt, int error, int error_of_second_call) {
  const std::uint64_t socket = sys::socket_cookie(attempt.socket.get());
  if (error == error_of_second_call) {
    const auto last = done_.find(attempt.thread);
    return last != done_.end() && last->second == socket ? 0 : error;
  }
  if (error == 0) {
    if (done_.size() >= kMaxThreads) done_.clear();
    done_[attempt.thread] = socket;
  }
  return error;
}

std::optional<int> TrappedCalls::handle(const sys::TrappedCall& call) {
  using sys::SocketCall;
  const bool may_be = call.what == SocketCall::connect || call.what == SocketCall::bind ||
                      call.what == SocketCall::listen;
  if (!may_be || distrusted_) return refuse(call.what);

  const sys::OtherThread caller(call.thread);
  Attempt attempt;
  attempt.thread = call.thread;
  attempt.socket = caller.descriptor(as_int(call.arguments[0]));
  attempt.standpoint = caller.standpoint();
  if (call.what != SocketCall::listen) attempt.address = read_address(caller, call);
  const bool own =
      sys::is_of_network_namespace(attempt.socket.get(), caller.network_namespace().get());
  // All of the above was found by the number of a thread. Now we know whose it was.
  if (!sys::is_pending(listener_.get(), call.id)) return std::nullopt;
  if (!own) return refuse(call.what);

  const int socket = attempt.socket.get();
  if (call.what == SocketCall::connect) return connect(call.id, std::move(attempt));
  if (call.what == SocketCall::bind) {
    return once(attempt, stand_in_->bind(attempt.standpoint, socket, attempt.address), EINVAL);
  }
  return stand_in_->listen(attempt.standpoint, socket, as_int(call.arguments[1]));
}

int TrappedCalls::refuse(sys::SocketCall call) {
  escape_(call);
  return EPERM;
}

// We must not wait, though the caller may want to: its socket does not block meanwhile.
std::optional<int> TrappedCalls::connect(std::uint64_t id, Attempt attempt) {
  const int socket = attempt.socket.get();
  const bool may_wait = !sys::is_nonblocking(socket);
  if (may_wait) sys::set_nonblocking(socket, true);
  const int error = stand_in_->connect(attempt.standpoint, socket, attempt.address);
  if (may_wait) sys::set_nonblocking(socket, false);
  if (error == EINTR) {
    // Another thread has made the socket block again, just then, and only to make us wait.
    distrusted_ = true;
    return refuse(sys::SocketCall::connect);
  }
  const bool waits = error == EINPROGRESS || error == EALREADY ||
                     (error == EAGAIN && sys::is_unix_address(attempt.address));
  if (!may_wait || !waits) return once(attempt, error, EISCONN);
  return wait(id, std::move(attempt), error);
}

std::optional<int> TrappedCalls::wait(std::uint64_t id, Attempt attempt, int error) {
  // Callers that a signal has called away wait no more.
  std::erase_if(waiting_,
                [this](const auto& each) { return !sys::is_pending(listener_.get(), each.first); });
  if (waiting_.size() >= kMaxWaiting) return ENOBUFS;
  Attempt& waiting = waiting_[id] = std::move(attempt);
  if (error == EAGAIN) {
    waiting.pause = std::clamp(waiting.pause * 2, kFirstPause, kLongestPause);
    waiting.retry = loop_->after(waiting.pause, [this, id] { retry(id); });
  } else {
    waiting.standpoint = {};  // of no use any more, and two descriptors
    waiting.connected =
        loop_->watch(waiting.socket.get(), EPOLLOUT, [this, id](auto) { on_connected(id); });
  }
  return std::nullopt;
}

void TrappedCalls::retry(std::uint64_t id) {
  Attempt attempt = std::move(waiting_.at(id));
  waiting_.erase(id);
  if (sys::is_pending(listener_.get(), id)) {
    answer(id, [&] { return connect(id, std::move(attempt)); });
  }
  leave_if_idle();
}

void TrappedCalls::on_connected(std::uint64_t id) {
  const Attempt attempt = std::move(waiting_.at(id));
  waiting_.erase(id);
  sys::answer_call(listener_.get(), id,
                   once(attempt, sys::pending_error(attempt.socket.get()), EISCONN));
  leave_if_idle();
}

}  // namespace runtime
