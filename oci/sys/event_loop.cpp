#include "oci/sys/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "oci/sys/error.h"

namespace sys {
namespace {

constexpr std::uint64_t kWakeId = 0;
constexpr int kEventsPerTurn = 128;  // enough for a burst; the rest comes with the next turn

void control(int epoll, int operation, int fd, std::uint32_t events, std::uint64_t id) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (::epoll_ctl(epoll, operation, fd, &event) != 0) throw_errno("epoll_ctl");
}

}  // namespace

EventLoop::EventLoop()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!epoll_) throw_errno("epoll_create1");
  if (!wake_) throw_errno("eventfd");
  control(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), EPOLLIN, kWakeId);
}

EventLoop::~EventLoop() = default;

EventLoop::Watch EventLoop::watch(int fd, Events events, std::function<void(Events)> callback) {
  Watch watch;
  const std::uint64_t id = next_id_++;
  control(epoll_.get(), EPOLL_CTL_ADD, fd, events, id);
  watches_.emplace(id, std::make_shared<Entry>(Entry{std::move(callback)}));
  watch.loop_ = this;
  watch.id_ = id;
  watch.fd_ = fd;
  return watch;
}

EventLoop::Timer EventLoop::after(std::chrono::milliseconds delay, std::function<void()> callback) {
  Timer timer;
  timer.loop_ = this;
  timer.when_ = Clock::now() + delay;
  timer.id_ = next_id_++;
  timers_.emplace(std::pair{timer.when_, timer.id_}, std::move(callback));
  return timer;
}

void EventLoop::Watch::reset() noexcept {
  if (loop_ == nullptr) return;
  ::epoll_ctl(loop_->epoll_.get(), EPOLL_CTL_DEL, fd_, nullptr);
  loop_->watches_.erase(id_);
  loop_ = nullptr;
}

void EventLoop::Watch::swap(Watch& other) noexcept {
  std::swap(loop_, other.loop_);
  std::swap(id_, other.id_);
  std::swap(fd_, other.fd_);
}

void EventLoop::Timer::reset() noexcept {
  if (loop_ == nullptr) return;
  loop_->timers_.erase({when_, id_});
  loop_ = nullptr;
}

void EventLoop::Timer::swap(Timer& other) noexcept {
  std::swap(loop_, other.loop_);
  std::swap(when_, other.when_);
  std::swap(id_, other.id_);
}

void EventLoop::post(std::function<void()> function) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    posted_.push_back(std::move(function));
  }
  const std::uint64_t one = 1;
  // EAGAIN means that the counter is already far from zero: the loop is awake anyway.
  [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

int EventLoop::wait_timeout_ms() const {
  if (timers_.empty()) return -1;
  const auto left = timers_.begin()->first.first - Clock::now();
  // Rounded up: waking a fraction of a millisecond early would only spin.
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::clamp<decltype(ms)>(ms, 0, 60'000));
}

void EventLoop::fire_timers() {
  const Clock::time_point now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    const std::function<void()> callback = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    callback();
  }
}

void EventLoop::run_posted() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &count, sizeof count);
  std::vector<std::function<void()>> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(posted_);
  }
  for (std::function<void()>& function : batch) {
    function();
    function = nullptr;  // what it captured goes now, not with the batch
  }
}

void EventLoop::run() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = false;
  }
  running_ = true;
  while (running_) {
    epoll_event events[kEventsPerTurn];
    const int count = ::epoll_wait(epoll_.get(), events, kEventsPerTurn, wait_timeout_ms());
    if (count < 0 && errno != EINTR) throw_errno("epoll_wait");
    for (int i = 0; i < count; ++i) {
      const std::uint64_t id = events[i].data.u64;
      if (id == kWakeId) {
        run_posted();
        continue;
      }
      // A callback earlier in this batch may have ended this watch: then its id is unknown now.
      const auto it = watches_.find(id);
      if (it == watches_.end()) continue;
      const std::shared_ptr<Entry> entry = it->second;
      entry->callback(events[i].events);
    }
    fire_timers();
  }
  std::vector<std::function<void()>> dropped;
  const std::lock_guard lock(mutex_);
  closed_ = true;
  dropped.swap(posted_);  // a `call` that waits sees a broken promise
}

void EventLoop::stop() {
  post([this] { running_ = false; });
}

}  // namespace sys
