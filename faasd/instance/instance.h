// One container of a function, from its launch until nothing of it is left. Serves one connection.
// Its life is the enum of state.h; every event goes through `advance`. Owned by the Dispatcher, on
// the event-loop thread; reports through callbacks and destroys nothing but its own.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "faasd/instance/blueprint.h"
#include "faasd/instance/handoff.h"
#include "faasd/instance/output.h"
#include "faasd/instance/receipt.h"
#include "faasd/instance/state.h"
#include "faasd/instance/sweeper.h"
#include "faasd/journal/journal.h"
#include "oci/runtime/connect_broker.h"
#include "oci/runtime/launcher.h"
#include "oci/sys/cgroup.h"
#include "oci/sys/event_loop.h"
#include "oci/sys/log.h"
#include "oci/sys/pidfd.h"
#include "oci/sys/subprocess.h"
#include "oci/sys/unique_fd.h"

namespace instance {

// What instances are made with; outlives them all.
struct Workshop {
  sys::EventLoop& loop;
  const sys::Log& log;
  const sys::CgroupTree& cgroups;
  Sweeper& sweeper;
  journal::Journal& journal;
  runtime::ConnectBroker& broker;
  std::filesystem::path bundles_dir;
};

enum class Stream { out, err };

enum class Start {
  cold,  // for a connection that is there
  warm,  // for one to come: it can wait, and nobody else shall wait for it
};

class Instance {
 public:
  struct Callbacks {
    // What it writes, as it comes; empty if nobody asks.
    std::function<void(Stream, std::string_view)> output = {};
    // The launch is over, well or badly: another may begin.
    std::function<void()> launched = {};
    // It waits for a connection; never called if it has had one from the start.
    std::function<void()> parked = {};
    // The end. `client` is empty if the handler has (or had) the connection for good; otherwise the
    // daemon has it and the receipt says why it was not served.
    std::function<void(sys::UniqueFd client, const Receipt& receipt)> ended;
    // Nothing is left; the instance may be destroyed from within.
    std::function<void()> gone;
  };

  // Makes the bundle and starts the launch. Throws std::system_error, and nothing is left.
  // `id` is what the blueprint's launcher has named the next container.
  Instance(const Workshop& workshop, std::shared_ptr<const Blueprint> blueprint,
           const std::shared_ptr<journal::Book>& book, const std::string& id, Start start,
           Callbacks callbacks);
  ~Instance();

  // From now on these are told. Never from within one of the old ones.
  void report_to(Callbacks callbacks) { callbacks_ = std::move(callbacks); }
  // The connection that this instance serves; it waited `queued` for it. Its time limit begins: of
  // one that was parked now, of another with its launch.
  void serve(sys::UniqueFd client, std::chrono::microseconds queued);
  // Of one that is parked: it writes its memory to this instead, and ends.
  void freeze(sys::UniqueFd snapshot);
  // Ends it now: at its deadline (Outcome::timeout), at the end of a drain (Outcome::refused), or
  // when it has done its work and goes on (Outcome::ok).
  void kill(Outcome outcome, const std::string& reason);

  const std::string& id() const noexcept { return id_; }
  const Blueprint& blueprint() const noexcept { return *blueprint_; }
  State state() const noexcept { return state_; }

 private:
  using Clock = sys::EventLoop::Clock;

  runtime::Container container() const;
  Output::Listener listener(Stream stream) const;
  void give_output_to(const runtime::Container& container) const;
  void start_runtime();
  void on_launch_done(runtime::LaunchResult result);
  void on_connected();
  void park();
  void begin_time();
  void on_taken();
  void on_left();
  void on_exit();
  void leave_launching();
  void take_back();
  void end();
  Receipt receipt() const;
  void judge(Receipt& receipt) const;

  const Workshop& workshop_;
  std::shared_ptr<const Blueprint> blueprint_;
  runtime::Launcher& launcher_;
  std::string id_;
  Callbacks callbacks_;
  State state_ = State::launching;
  Start start_;

  runtime::Reservation reservation_;
  runtime::ConnectBroker::Client broker_;
  std::optional<runtime::Bundle> bundle_;
  std::optional<Handoff> handoff_;
  Output stdout_;
  Output stderr_;
  std::unique_ptr<runtime::Launch> launch_;  // while the runtime is at work
  bool counts_as_launch_ = true;

  sys::UniqueFd pidfd_;  // of the container's first process, once the runtime has told
  sys::EventLoop::Watch exit_watch_;
  sys::EventLoop::Timer deadline_;
  sys::EventLoop::Timer end_of_youth_;

  sys::SocketName client_name_;
  sys::UniqueFd taken_back_;  // the client's socket, from a container that we kill
  std::optional<sys::ExitStatus> exit_status_;
  Outcome kill_outcome_ = Outcome::timeout;
  std::string kill_reason_;
  std::optional<runtime::LaunchFailure> launch_failure_;
  bool served_ = false;  // the handler has had the connection

  std::chrono::microseconds queued_{0};
  std::chrono::system_clock::time_point accepted_at_;
  Clock::time_point started_;
  Clock::time_point taken_at_;
};

}  // namespace instance
