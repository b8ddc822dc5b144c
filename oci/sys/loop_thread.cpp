#include "oci/sys/loop_thread.h"

#include <exception>
#include <future>
#include <memory>
#include <utility>

namespace sys {

LoopThread::LoopThread(EventLoop& loop, std::function<void()> begin, std::function<void()> end)
    : loop_(loop) {
  // Shared: the thread may still be telling when we have heard already.
  const auto begun = std::make_shared<std::promise<void>>();
  thread_ = std::thread([&loop, begun, begin = std::move(begin), end = std::move(end)] {
    try {
      begin();
    } catch (...) {
      begun->set_exception(std::current_exception());
      return;
    }
    begun->set_value();
    loop.run();
    end();
  });
  try {
    begun->get_future().get();
  } catch (...) {
    thread_.join();
    throw;
  }
}

LoopThread::~LoopThread() {
  loop_.stop();
  thread_.join();
}

}  // namespace sys
