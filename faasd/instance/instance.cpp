#include "faasd/instance/instance.h"

#include <sys/epoll.h>

#include <csignal>

#include "faasd/function/bounds.h"
#include "faasd/instance/leftover.h"
#include "oci/sys/file.h"

namespace instance {
namespace {

using std::chrono::microseconds;

microseconds between(sys::EventLoop::Clock::time_point from, sys::EventLoop::Clock::time_point to) {
  return std::chrono::duration_cast<microseconds>(to - from);
}

// The longer a container has been at work, the less it matters when it goes on; who is launched
// meanwhile is waited for now. Most have ended by then. docs/PERFORMANCE.md, "Load".
constexpr std::chrono::milliseconds kYouth{600};
constexpr std::string_view kOutOfMemory = "the kernel killed it: out of memory, see --memory";

std::string not_ready() {
  return "it was not ready for a connection after " +
         std::to_string(function::bounds::kWarmUp.count()) + " s";
}

// The option is named where it is what counted: faasd may have a bound of its own for scripts, and
// who has a program run another.
std::string over_time(const Blueprint& blueprint) {
  const auto limit = blueprint.timeout.count();
  const std::string words =
      limit % 1000 == 0 ? std::to_string(limit / 1000) + " s" : std::to_string(limit) + " ms";
  const bool by_option = blueprint.timeout == blueprint.function.limits.timeout;
  return "it was over its time limit of " + words + (by_option ? " (--timeout)" : "");
}

}  // namespace

Instance::Instance(const Workshop& workshop, std::shared_ptr<const Blueprint> blueprint,
                   const std::shared_ptr<journal::Book>& book, const std::string& id, Start start,
                   Callbacks callbacks)
    : workshop_(workshop),
      blueprint_(std::move(blueprint)),
      launcher_(*blueprint_->launcher),
      id_(id),
      callbacks_(std::move(callbacks)),
      start_(start),
      reservation_(launcher_.reserve(id_, blueprint_->container, *blueprint_->rootfs)),
      broker_(workshop.broker, id_),
      bundle_(std::move(reservation_.bundle)),
      stdout_(workshop.loop, workshop.log, book, {blueprint_->function.name, id_, "stdout"},
              blueprint_->function.limits.output_bytes, listener(Stream::out)),
      stderr_(workshop.loop, workshop.log, book, {blueprint_->function.name, id_, "stderr"},
              blueprint_->function.limits.output_bytes, listener(Stream::err)),
      started_(Clock::now()) {
  handoff_.emplace(workshop_.loop, bundle_->take_control_listener(),
                   Handoff::Callbacks{[this] { on_connected(); }, [this] { on_taken(); },
                                      [this] { on_left(); }});
  start_runtime();
  stdout_.close_write_end();
  stderr_.close_write_end();
  begin_time();
}

Instance::~Instance() = default;

// Throws if there is not even a runtime to start; then nothing is left of it.
void Instance::start_runtime() {
  if (start_ == Start::warm) bundle_->mark_waiting(true);
  const runtime::Container container = this->container();
  give_output_to(container);
  launch_ = launcher_.launch({container, *bundle_, stdout_.write_end(), stderr_.write_end(),
                              [this](runtime::LaunchResult r) { on_launch_done(std::move(r)); },
                              start_ == Start::warm});
}

// So that the handler may open them anew, by /dev/stderr.
void Instance::give_output_to(const runtime::Container& container) const {
  const uid_t user = runtime::host_id(container.ids.users, container.user.uid);
  const gid_t group = runtime::host_id(container.ids.groups, container.user.gid);
  for (const Output* output : {&stdout_, &stderr_}) {
    sys::change_owner(output->write_end(), user, group);
  }
}

Output::Listener Instance::listener(Stream stream) const {
  return [this, stream](std::string_view bytes) {
    if (callbacks_.output) callbacks_.output(stream, bytes);
  };
}

void Instance::begin_time() {
  const bool ahead = start_ == Start::warm && client_name_.inode == 0;
  const bool less = ahead && blueprint_->timeout > function::bounds::kWarmUp;
  deadline_ = workshop_.loop.after(
      less ? function::bounds::kWarmUp : blueprint_->timeout,
      [this, less] { kill(Outcome::timeout, less ? not_ready() : over_time(*blueprint_)); });
  end_of_youth_ = workshop_.loop.after(kYouth, [this] { workshop_.cgroups.yield_processor(id_); });
}

runtime::Container Instance::container() const {
  runtime::Container container = blueprint_->container;
  container.rootfs = reservation_.rootfs;
  container.control_socket = bundle_->control_socket();
  container.ids = reservation_.ids;
  container.id = id_;
  container.annotations[std::string(kLauncherMark)] = launcher_.name();
  container.seccomp_listener = workshop_.broker.socket();
  container.cgroup_path = workshop_.cgroups.path_of(id_);
  container.resources.low_priority = start_ == Start::warm && workshop_.cgroups.sets_priority();
  return container;
}

void Instance::serve(sys::UniqueFd client, microseconds queued) {
  queued_ = queued;
  accepted_at_ = std::chrono::system_clock::now() - queued;
  client_name_ = sys::name_of_socket(client.get());
  if (start_ == Start::warm) bundle_->mark_waiting(false);
  if (state_ != State::parked) return handoff_->give(std::move(client));
  started_ = Clock::now();
  begin_time();
  handoff_->give(std::move(client));
  if (state_ == State::parked) workshop_.cgroups.claim_processor(id_);
}

void Instance::freeze(sys::UniqueFd snapshot) {
  started_ = Clock::now();
  begin_time();
  handoff_->give_snapshot(std::move(snapshot));
}

void Instance::on_connected() {
  if (state_ != State::launching) return;  // killed meanwhile
  state_ = advance(state_, Event::connected);
  leave_launching();
  if (start_ == Start::warm) park();
}

void Instance::park() {
  deadline_.reset();
  end_of_youth_.reset();
  for (const pid_t pid : workshop_.cgroups.members(id_)) sys::set_group_priority(pid, 0);
  callbacks_.parked();
}

// Who was launched for its connection has it to the end, and how that comes is what is told.
void Instance::on_left() {
  if (start_ == Start::cold || state_ != State::parked) return;
  kill(Outcome::launch_failed, "the parked handler closed /control.sock");
}

void Instance::on_taken() {
  if (state_ != State::parked) return;
  state_ = advance(state_, Event::handed_off);
  served_ = true;
  taken_at_ = Clock::now();
}

// The runtime and the handler are two processes: the handler may have connected, answered and ended
// before the runtime's own exit is seen here.
void Instance::on_launch_done(runtime::LaunchResult result) {
  launch_.reset();
  if (auto* failure = std::get_if<runtime::LaunchFailure>(&result)) {
    launch_failure_ = std::move(*failure);
    state_ = advance(state_, Event::ended);
    end();
    return;
  }
  pidfd_ = std::move(std::get<runtime::Launched>(result).pidfd);
  exit_watch_ = workshop_.loop.watch(pidfd_.get(), EPOLLIN, [this](auto) { on_exit(); });
}

void Instance::on_exit() {
  exit_status_ = sys::poll_exit(pidfd_.get());
  if (!exit_status_) return;
  handoff_->settle();
  state_ = advance(state_, Event::ended);
  end();
}

void Instance::leave_launching() {
  if (!std::exchange(counts_as_launch_, false)) return;
  callbacks_.launched();
}

void Instance::kill(Outcome outcome, const std::string& reason) {
  if (state_ == State::exited || state_ == State::killed || state_ == State::gone) return;
  handoff_->settle();
  if (state_ == State::serving && client_name_.inode != 0) take_back();
  state_ = advance(state_, Event::kill);
  kill_outcome_ = outcome;
  kill_reason_ = reason;
  if (pidfd_) {
    sys::send_signal(pidfd_.get(), SIGKILL);  // the pid namespace goes with its first process
    return;                                   // its exit ends the instance
  }
  if (launch_) launch_->abandon();
  end();
}

// The client must hear that its time is over, and only the container has the socket. It is answered
// after the container has ended, when nobody else can write to it any more.
void Instance::take_back() {
  std::size_t budget = function::bounds::kMaxTakeBackFds;
  for (const pid_t pid : workshop_.cgroups.members(id_)) {
    std::optional<sys::UniqueFd> socket = sys::take_socket(pid, client_name_, budget);
    if (socket) {
      taken_back_ = std::move(*socket);
      return;
    }
  }
}

void Instance::end() {
  deadline_.reset();
  end_of_youth_.reset();
  exit_watch_.reset();
  pidfd_.reset();
  stdout_.finish();
  stderr_.finish();
  sys::UniqueFd client = handoff_->reclaim();
  if (!client) client = std::move(taken_back_);
  handoff_.reset();
  leave_launching();
  callbacks_.ended(std::move(client), receipt());

  Remains remains{id_, &launcher_, std::move(bundle_), std::move(launch_)};
  bundle_.reset();
  // Through the loop's queue, so that the instance is still there when it is told.
  workshop_.sweeper.sweep(std::move(remains), [this, &loop = workshop_.loop] {
    loop.post([this] {
      state_ = advance(state_, Event::swept);
      callbacks_.gone();
    });
  });
}

// Before anything is swept: what the container has cost goes with its cgroup.
Receipt Instance::receipt() const {
  const Clock::time_point now = Clock::now();
  Receipt receipt;
  receipt.instance = id_;
  receipt.function = blueprint_->function.name;
  receipt.version = blueprint_->function.version;
  receipt.image = blueprint_->image->digest;
  receipt.launcher = launcher_.name();
  receipt.started_at = accepted_at_;
  receipt.queue = queued_;
  receipt.launch = between(started_, served_ ? taken_at_ : now);
  receipt.run = served_ ? between(taken_at_, now) : microseconds(0);
  receipt.served = served_;
  receipt.warm = start_ == Start::warm;
  receipt.branched = blueprint_->container.snapshot != nullptr;
  receipt.usage = workshop_.cgroups.usage(id_);
  receipt.escapes = broker_.escapes();
  if (exit_status_)
    (exit_status_->signaled ? receipt.signal : receipt.exit_code) = exit_status_->value;
  judge(receipt);
  return receipt;
}

void Instance::judge(Receipt& receipt) const {
  const bool oom = receipt.usage.oom_kills > 0;
  if (state_ == State::killed) {
    // Who was at work when the daemon had to stop was not turned away.
    const bool cut_short = served_ && kill_outcome_ == Outcome::refused;
    receipt.outcome = cut_short ? Outcome::timeout : kill_outcome_;
    receipt.reason = receipt.summary = kill_reason_;
    if (!served_ && kill_outcome_ == Outcome::timeout) {
      receipt.reason = receipt.summary += " and never took its connection";
    }
  } else if (launch_failure_) {
    receipt.outcome = oom || launch_failure_->out_of_memory ? Outcome::oom : Outcome::launch_failed;
    receipt.reason = launch_failure_->reason;
    receipt.summary =
        launch_failure_->summary + "; `faas receipts " + receipt.function + "` says why";
  } else if (oom && exit_status_->signaled && exit_status_->value == SIGKILL) {
    receipt.outcome = Outcome::oom;
    receipt.reason = receipt.summary = kOutOfMemory;
    if (!served_) receipt.reason = receipt.summary += "; it never took its connection";
  } else if (!served_) {
    receipt.outcome = oom ? Outcome::oom : Outcome::launch_failed;
    receipt.reason = receipt.summary =
        "the handler ended (" + exit_status_->describe() +
        ") before it took its connection from /control.sock; `faas logs " + receipt.function +
        "` has what it wrote, and docs/PROTOCOL.md how a handler "
        "takes it";
  } else if (exit_status_->signaled) {
    receipt.outcome = Outcome::signal;
    receipt.reason = exit_status_->describe();
  } else {
    receipt.outcome = exit_status_->value == 0 ? Outcome::ok : Outcome::exit;
  }
  // A child was killed, and the handler went on as it saw fit.
  const bool told = receipt.reason.starts_with(kOutOfMemory);
  if (!oom || told) return;
  if (!receipt.reason.empty()) receipt.reason += "; ";
  receipt.reason += "the kernel killed a process of it: out of memory, see --memory";
}

}  // namespace instance
