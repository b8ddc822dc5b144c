#include "oci/sys/event_loop.h"

#include <doctest/doctest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

using std::chrono::milliseconds;

TEST_CASE("timers fire in the order of their times, not of their making") {
  sys::EventLoop loop;
  std::vector<int> order;
  const auto later = loop.after(milliseconds(20), [&] {
    order.push_back(2);
    loop.stop();
  });
  const auto sooner = loop.after(milliseconds(1), [&] { order.push_back(1); });
  loop.run();
  CHECK(order == std::vector<int>{1, 2});
}

TEST_CASE("a timer that was reset never fires") {
  sys::EventLoop loop;
  bool fired = false;
  auto doomed = loop.after(milliseconds(1), [&] { fired = true; });
  const auto end = loop.after(milliseconds(10), [&] { loop.stop(); });
  doomed.reset();
  loop.run();
  CHECK_FALSE(fired);
}

TEST_CASE("a watch reports a readable descriptor until it is reset") {
  sys::EventLoop loop;
  const sys::Pipe pipe = sys::make_pipe();
  int calls = 0;
  sys::EventLoop::Watch watch;
  watch = loop.watch(pipe.read_end.get(), EPOLLIN, [&](auto) {
    if (++calls == 3) {
      watch.reset();
      loop.stop();
    }
  });
  CHECK(::write(pipe.write_end.get(), "x", 1) == 1);
  loop.run();
  CHECK(calls == 3);
  CHECK_FALSE(watch);
}

TEST_CASE("a callback may end a watch that is ready in the same turn") {
  sys::EventLoop loop;
  const sys::Pipe first = sys::make_pipe();
  const sys::Pipe second = sys::make_pipe();
  int calls = 0;
  sys::EventLoop::Watch a;
  sys::EventLoop::Watch b;
  const auto once = [&](auto) {
    ++calls;
    a.reset();
    b.reset();
    loop.stop();
  };
  a = loop.watch(first.read_end.get(), EPOLLIN, once);
  b = loop.watch(second.read_end.get(), EPOLLIN, once);
  CHECK(::write(first.write_end.get(), "x", 1) == 1);
  CHECK(::write(second.write_end.get(), "x", 1) == 1);
  loop.run();
  CHECK(calls == 1);
}

TEST_CASE("call runs on the loop's thread and brings back value and exception") {
  sys::EventLoop loop;
  std::thread thread([&] { loop.run(); });
  CHECK(loop.call([] { return std::this_thread::get_id(); }) == thread.get_id());
  CHECK_THROWS_AS(loop.call([]() -> int { throw std::runtime_error("no"); }), std::runtime_error);
  loop.stop();
  thread.join();
}

TEST_CASE("a call to a loop that has stopped fails instead of waiting for ever") {
  sys::EventLoop loop;
  loop.stop();
  loop.run();
  CHECK_THROWS_AS(loop.call([] { return 1; }), std::future_error);
}
