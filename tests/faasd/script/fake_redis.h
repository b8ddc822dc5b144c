// Something that listens where Redis should, and says what a test has it say.
#pragma once

#include <poll.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "faasd/script/redis_address.h"
#include "oci/sys/socket.h"
#include "oci/sys/tcp_connect.h"
#include "oci/sys/timed_io.h"

namespace support {

// Accepts one connection after the other, and has each answered.
class FakeRedis {
 public:
  using Answer = std::function<void(int fd)>;

  explicit FakeRedis(Answer answer)
      : listener_(sys::listen_tcp({sys::Ipv4{0x7f000001}, 0}, 8)),
        thread_([this, answer = std::move(answer)] {
          for (;;) {
            pollfd ready{listener_.get(), POLLIN, 0};
            ::poll(&ready, 1, -1);
            const sys::Accepted accepted = sys::accept_connection(listener_.get());
            if (stopped_) return;
            if (accepted.fd) answer(accepted.fd.get());
          }
        }) {}
  FakeRedis(const FakeRedis&) = delete;
  FakeRedis& operator=(const FakeRedis&) = delete;
  ~FakeRedis() {
    stopped_ = true;
    const auto wake = sys::connect_before("127.0.0.1", address().port, soon());
    thread_.join();
  }

  static sys::Deadline soon() {
    return std::chrono::steady_clock::now() + std::chrono::seconds(10);
  }

  script::RedisAddress address() const {
    return {"127.0.0.1", sys::local_endpoint(listener_.get()).port, "s3cret", 0};
  }

 private:
  sys::UniqueFd listener_;
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

// `logged_in` to what a new connection says first (AUTH, SELECT), then one answer to each command.
inline FakeRedis::Answer always(std::string answer, int logged_in = 0) {
  return [answer = std::move(answer), logged_in](int fd) {
    char buffer[65536];
    int commands = 0;
    while (sys::receive_before(fd, buffer, FakeRedis::soon()).status == sys::IoStatus::done) {
      const std::string& said = ++commands <= logged_in ? "+OK\r\n" : answer;
      if (sys::send_before(fd, said, FakeRedis::soon()) != sys::IoStatus::done) return;
    }
  };
}

}  // namespace support
