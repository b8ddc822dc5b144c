// Answers the socket calls that containers may not make themselves (trapped_calls.h), for all
// containers. A runtime sends the listener of a container's filter to a socket of ours
// (`linux.seccomp.listenerPath`, runtime-spec config-linux.md, "The Container Process State"); what
// is trapped before we have it waits. One thread of its own, which waits for calls, and
// CallWorkers, which answer them; any thread may use it.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "oci/runtime/call_workers.h"
#include "oci/runtime/trapped_calls.h"
#include "oci/sys/event_loop.h"
#include "oci/sys/log.h"
#include "oci/sys/loop_thread.h"
#include "oci/sys/unique_fd.h"

namespace runtime {

class ConnectBroker {
 public:
  // The calls of one container are answered from now on until this goes.
  class Client {
   public:
    Client(ConnectBroker& broker, std::string container);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Attempts so far.
    std::uint64_t escapes() const noexcept { return *escapes_; }

   private:
    ConnectBroker& broker_;
    std::string container_;
    std::shared_ptr<std::atomic<std::uint64_t>> escapes_;
  };

  // Listens at `socket`, which only root may reach. Throws sys::Refused(invalid, "long_path") if
  // runtimes could not connect to it. The first attempts of each container to use a socket that is
  // not of its own network are logged one by one.
  ConnectBroker(std::filesystem::path socket, const sys::Log& log);
  ~ConnectBroker();
  ConnectBroker(const ConnectBroker&) = delete;
  ConnectBroker& operator=(const ConnectBroker&) = delete;

  // What a runtime does by itself: this container's filter sends its calls here. Any thread.
  void adopt(const std::string& container, sys::UniqueFd listener);

  const std::filesystem::path& socket() const noexcept { return entrance_.path; }

 private:
  using Counter = std::shared_ptr<std::atomic<std::uint64_t>>;
  // Where runtimes connect.
  struct Entrance {
    explicit Entrance(std::filesystem::path where);
    ~Entrance();
    Entrance(const Entrance&) = delete;
    Entrance& operator=(const Entrance&) = delete;

    const std::filesystem::path path;
    const sys::UniqueFd listener;
  };
  // A runtime that has connected, until it has said what it has to.
  struct Runtime {
    sys::UniqueFd connection;
    std::string state;  // JSON, as far as it has come
    sys::UniqueFd listener;
    sys::EventLoop::Timer timeout;
    sys::EventLoop::Watch watch;
  };
  struct Container {
    std::shared_ptr<TrappedCalls> calls;
    sys::EventLoop::Watch watch;  // of its listener, while no worker serves it
  };

  void begin();
  void end();
  void accept_runtimes();
  void hear(std::uint64_t number);
  void take_over(const std::string& container, sys::UniqueFd listener);
  void wait_for_calls(const std::string& container);
  void serve(const std::string& container);
  void give_up(const std::string& container, const std::exception& error);
  void note_escape(const std::string& container, const Counter& counter, sys::SocketCall call);

  const Entrance entrance_;
  const sys::Log& log_;
  std::mutex mutex_;  // guards what follows
  std::unordered_map<std::string, Counter> clients_;

  // On the thread only.
  sys::EventLoop loop_;
  std::optional<CallWorkers> workers_;
  std::unordered_map<std::uint64_t, Runtime> runtimes_;
  std::uint64_t next_runtime_ = 1;
  std::unordered_map<std::string, Container> containers_;
  sys::EventLoop::Watch watch_;
  sys::LoopThread thread_;  // last: it uses all of the above
};

}  // namespace runtime
