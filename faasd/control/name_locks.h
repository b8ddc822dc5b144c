// One change of a function at a time: a lock per name that exists only while somebody wants it.
// Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <string>

namespace control {

class NameLocks {
 public:
  class Held {
   public:
    Held(NameLocks& locks, std::string name) : locks_(locks), name_(std::move(name)) {
      std::unique_lock lock(locks_.mutex_);
      locks_.changed_.wait(lock, [&] { return locks_.held_.insert(name_).second; });
    }
    ~Held() {
      {
        const std::lock_guard lock(locks_.mutex_);
        locks_.held_.erase(name_);
      }
      locks_.changed_.notify_all();
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

   private:
    NameLocks& locks_;
    std::string name_;
  };

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> held_;
};

}  // namespace control
