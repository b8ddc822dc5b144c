#include "oci/sys/loop_thread.h"

#include <doctest/doctest.h>

#include <stdexcept>

TEST_CASE("a thread runs its loop between its begin and its end") {
  sys::EventLoop loop;
  std::thread::id begun;
  std::thread::id ended;
  {
    const sys::LoopThread thread(
        loop, [&] { begun = std::this_thread::get_id(); },
        [&] { ended = std::this_thread::get_id(); });
    CHECK(begun != std::this_thread::get_id());
    CHECK(loop.call([] { return std::this_thread::get_id(); }) == begun);
    CHECK(ended == std::thread::id());
  }
  CHECK(ended == begun);
}

TEST_CASE("a thread that cannot begin is none, and says why") {
  sys::EventLoop loop;
  bool ended = false;
  const auto make = [&] {
    const sys::LoopThread thread(
        loop, [] { throw std::runtime_error("no more"); }, [&] { ended = true; });
  };
  CHECK_THROWS_WITH_AS(make(), "no more", std::runtime_error);
  CHECK_FALSE(ended);
}
