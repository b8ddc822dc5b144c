#include "faasd/instance/sweeper.h"

#include <algorithm>

#include "faasd/function/bounds.h"

namespace instance {

using function::bounds::kSweepPatience;
using function::bounds::kSweepPause;

Sweeper::Sweeper(const sys::CgroupTree& cgroups, const sys::Log& log)
    : cgroups_(cgroups), log_(log), thread_([this] { run(); }) {}

Sweeper::~Sweeper() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Sweeper::sweep(Remains remains, std::function<void()> done) {
  const Clock::time_point now = Clock::now();
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({std::move(remains), std::move(done), now, now});
  }
  wake_.notify_one();
}

void Sweeper::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto due = std::min_element(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) {
      return a.next_try < b.next_try;
    });
    if (due == jobs_.end()) {
      if (stopping_) return;
      wake_.wait(lock);
      continue;
    }
    if (due->next_try > Clock::now() && !stopping_) {
      wake_.wait_until(lock, due->next_try);
      continue;
    }
    std::list<Job> job;
    job.splice(job.begin(), jobs_, due);
    const bool last_try = stopping_;
    lock.unlock();
    const bool swept = try_once(job.front());
    if (swept && job.front().done) job.front().done();
    if (swept || last_try) job.clear();
    lock.lock();
    jobs_.splice(jobs_.end(), job);
  }
}

bool Sweeper::try_once(Job& job) const {
  try {
    if (job.remains.abandoned_launch && !job.remains.abandoned_launch->is_gone()) {
      job.next_try = Clock::now() + kSweepPause;
      complain(job);
      return false;
    }
    job.remains.abandoned_launch.reset();
    if (!cgroups_.remove(job.remains.id)) {
      cgroups_.kill(job.remains.id);
      if (!cgroups_.remove(job.remains.id)) {
        job.next_try = Clock::now() + kSweepPause;
        complain(job);
        return false;
      }
    }
    if (job.remains.launcher != nullptr) job.remains.launcher->sweep(job.remains.id);
    job.remains.bundle.reset();
    return true;
  } catch (const std::exception& error) {
    log_.error("sweep_failed", {{"instance", job.remains.id}, {"reason", error.what()}});
    job.next_try = Clock::now() + kSweepPatience;
    return false;
  }
}

void Sweeper::complain(Job& job) const {
  if (job.complained || Clock::now() - job.started < kSweepPatience) return;
  job.complained = true;
  log_.warn("sweep_waits", {{"instance", job.remains.id},
                            {"reason", "something of it is still there; trying on"}});
}

}  // namespace instance
