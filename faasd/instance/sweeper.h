// Removes what is left of ended instances: processes still in the cgroup, the cgroup itself, what
// the launcher keeps, the bundle. One way for every end, ordinary exits and crashes alike. Works on
// a thread of its own, because removing a cgroup waits for the kernel; `sweep` may be called from
// any.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "oci/runtime/bundle.h"
#include "oci/runtime/launcher.h"
#include "oci/sys/cgroup.h"
#include "oci/sys/event_loop.h"
#include "oci/sys/log.h"

namespace instance {

// What one instance leaves behind.
struct Remains {
  std::string id;
  runtime::Launcher* launcher = nullptr;
  std::optional<runtime::Bundle> bundle;
  std::unique_ptr<runtime::Launch> abandoned_launch;
};

class Sweeper {
 public:
  Sweeper(const sys::CgroupTree& cgroups, const sys::Log& log);
  // Gives what cannot be removed a last try; the next start of the daemon finds the rest.
  ~Sweeper();
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;

  // `done` is called on the sweeper's thread when nothing is left.
  void sweep(Remains remains, std::function<void()> done);

 private:
  using Clock = sys::EventLoop::Clock;
  struct Job {
    Remains remains;
    std::function<void()> done;
    Clock::time_point started;
    Clock::time_point next_try;
    bool complained = false;
  };

  void run();
  bool try_once(Job& job) const;
  void complain(Job& job) const;

  const sys::CgroupTree& cgroups_;
  const sys::Log& log_;
  std::mutex mutex_;  // guards the two below
  std::condition_variable wake_;
  std::list<Job> jobs_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace instance
