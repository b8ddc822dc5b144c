// One thread that waits for everything: descriptors, timers and functions posted by other threads.
// epoll(7), level-triggered unless asked otherwise, monotonic clock. `post` and `call` may be used
// from any thread, everything else only on the thread that is in `run` (or before it starts).
// A callback may destroy any Watch or Timer, its own included. Callbacks must not throw.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "oci/sys/unique_fd.h"

namespace sys {

class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;
  using Events = std::uint32_t;  // EPOLLIN …

  // Watches a descriptor that it does not own until it is destroyed or reset; destroy it before the
  // descriptor is closed.
  class Watch {
   public:
    Watch() = default;
    Watch(Watch&& other) noexcept { swap(other); }
    Watch& operator=(Watch&& other) noexcept {
      Watch taken(std::move(other));
      swap(taken);
      return *this;
    }
    ~Watch() { reset(); }
    void reset() noexcept;
    explicit operator bool() const noexcept { return loop_ != nullptr; }

   private:
    friend class EventLoop;
    void swap(Watch& other) noexcept;
    EventLoop* loop_ = nullptr;
    std::uint64_t id_ = 0;
    int fd_ = -1;
  };

  // Fires once, unless it is destroyed or reset before.
  class Timer {
   public:
    Timer() = default;
    Timer(Timer&& other) noexcept { swap(other); }
    Timer& operator=(Timer&& other) noexcept {
      Timer taken(std::move(other));
      swap(taken);
      return *this;
    }
    ~Timer() { reset(); }
    void reset() noexcept;
    explicit operator bool() const noexcept { return loop_ != nullptr; }

   private:
    friend class EventLoop;
    void swap(Timer& other) noexcept;
    EventLoop* loop_ = nullptr;
    Clock::time_point when_;
    std::uint64_t id_ = 0;
  };

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  Watch watch(int fd, Events events, std::function<void(Events)> callback);
  Timer after(std::chrono::milliseconds delay, std::function<void()> callback);

  // Runs `function` on the loop thread, soon. After the loop has stopped it is dropped.
  void post(std::function<void()> function);

  // Runs `function` on the loop thread and returns what it returns, or throws what it throws. Never
  // call it on the loop thread. Throws std::future_error if the loop stops first.
  template <typename F>
  std::invoke_result_t<F> call(F function) {
    using Result = std::invoke_result_t<F>;
    struct Task {
      F function;
      std::promise<Outcome<Result>> promise;
    };
    auto task = std::make_shared<Task>(Task{std::move(function), {}});
    std::future<Outcome<Result>> future = task->promise.get_future();
    post([task = std::move(task)]() mutable {
      task->promise.set_value(outcome_of<Result>(task->function));
      task.reset();
    });
    Outcome<Result> outcome = future.get();
    if (outcome.error) {
      std::rethrow_exception(std::move(outcome.error));
    }
    if constexpr (!std::is_void_v<Result>) {
      return std::move(*outcome.value);
    }
  }

  void run();   // until stop(); may be run again
  void stop();  // any thread

 private:
  struct Entry {
    std::function<void(Events)> callback;
  };

  // What a called function came to. An exception travels as a value that the caller takes whole: in
  // a future's own state the loop thread could be the last to drop it, while the caller reads it.
  template <typename R>
  struct Outcome {
    std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> value;
    std::exception_ptr error;
  };

  template <typename R, typename F>
  static Outcome<R> outcome_of(F& function) {
    Outcome<R> outcome;
    try {
      if constexpr (std::is_void_v<R>) {
        function();
      } else {
        outcome.value.emplace(function());
      }
    } catch (...) {
      outcome.error = std::current_exception();
    }
    return outcome;
  }

  int wait_timeout_ms() const;
  void fire_timers();
  void run_posted();

  UniqueFd epoll_;
  UniqueFd wake_;  // eventfd: something was posted
  bool running_ = false;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, std::shared_ptr<Entry>> watches_;
  std::map<std::pair<Clock::time_point, std::uint64_t>, std::function<void()>> timers_;

  std::mutex mutex_;  // guards the two below
  std::vector<std::function<void()>> posted_;
  bool closed_ = false;
};

}  // namespace sys
