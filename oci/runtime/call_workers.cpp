#include "oci/runtime/call_workers.h"

#include <optional>
#include <utility>

#include "oci/sys/loop_thread.h"

namespace runtime {
namespace {

// There from the start, and always kept, so that what the daemon holds does not depend on what has
// been: an answer takes some fifty microseconds, so more are rarely needed at once. The threads of
// those who wait for long end when they are done.
constexpr std::size_t kKept = 2;

}  // namespace

class CallWorkers::Worker {
 public:
  Worker()
      : thread_(
            loop_, [this] { stand_in_.emplace(); }, [this] { leave(); }) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // `done` is called on the thread of this.
  void serve(std::shared_ptr<TrappedCalls> calls, std::function<void(TrappedCalls::Outcome)> done) {
    loop_.post([this, calls = std::move(calls), done = std::move(done)]() mutable {
      serving_ = std::move(calls);
      serving_->serve(loop_, *stand_in_, [this, done = std::move(done)](auto outcome) {
        const std::shared_ptr<TrappedCalls> last = std::move(serving_);
        done(outcome);
      });
    });
  }

 private:
  void leave() {
    serving_.reset();
    stand_in_.reset();
  }

  sys::EventLoop loop_;
  std::optional<sys::StandIn> stand_in_;   // on the thread only
  std::shared_ptr<TrappedCalls> serving_;  // on the thread only
  sys::LoopThread thread_;                 // last: it uses all of the above
};

CallWorkers::CallWorkers(sys::EventLoop& loop) : loop_(loop) {
  while (idle_.size() < kKept) idle_.push_back(std::make_unique<Worker>());
}

CallWorkers::~CallWorkers() = default;

void CallWorkers::serve(std::shared_ptr<TrappedCalls> calls,
                        std::function<void(TrappedCalls::Outcome)> done) {
  if (idle_.empty()) idle_.push_back(std::make_unique<Worker>());
  Worker* const worker = idle_.back().get();
  busy_.emplace(worker, std::move(idle_.back()));
  idle_.pop_back();
  worker->serve(std::move(calls), [this, worker, done = std::move(done)](auto outcome) {
    loop_.post([this, worker, done, outcome] {
      on_done(worker);
      done(outcome);
    });
  });
}

void CallWorkers::on_done(Worker* worker) {
  const auto it = busy_.find(worker);
  if (idle_.size() < kKept) idle_.push_back(std::move(it->second));
  busy_.erase(it);
}

}  // namespace runtime
