#include "oci/runtime/native/native_launcher.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mount.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "oci/runtime/host_ids.h"
#include "oci/runtime/native/orders.h"
#include "oci/runtime/native/seccomp_filter.h"
#include "oci/runtime/rootfs_view.h"
#include "oci/sys/error.h"
#include "oci/sys/fd_message.h"
#include "oci/sys/file.h"
#include "oci/sys/mount.h"
#include "oci/sys/program.h"
#include "oci/sys/random.h"

namespace runtime::native {
namespace {

constexpr const char* kProgram = "faasd-launcher";
// Enough for a burst; each is a process, a network and some 300 KiB of the kernel's memory.
constexpr std::size_t kFreeSlots = 24;
// With fewer than these the next burst would have to wait for some: they are made at once.
constexpr std::size_t kFewSlots = 8;
// A launch is under way when one is taken, and the handler has not answered: that goes first.
constexpr std::chrono::milliseconds kFillDelay{2};
// Nobody has called for that long: nothing is kept ready.
constexpr std::chrono::minutes kIdle{10};
// What was killed is gone within a few milliseconds.
constexpr std::chrono::milliseconds kLeaveDelay{20};
// At the end of the daemon; the next start finds what is not gone by then.
constexpr std::chrono::seconds kLastPatience{2};
constexpr std::chrono::milliseconds kLookPause{1};
// Between two starts of a launcher that has not stayed for that long so many times in a row.
constexpr std::chrono::milliseconds kSoonAfterStart{100};
constexpr int kEarlyEnds = 3;
constexpr std::chrono::seconds kStartPause{1};
constexpr std::size_t kIdBytes = 8;

// One launch of a slot on its way.
class NativeLaunch : public Launch {
 public:
  explicit NativeLaunch(std::shared_ptr<SlotLink> slot) : slot_(std::move(slot)) {}
  NativeLaunch(const NativeLaunch&) = delete;
  NativeLaunch& operator=(const NativeLaunch&) = delete;
  ~NativeLaunch() override = default;
  void abandon() noexcept override { slot_->end(); }
  bool is_gone() noexcept override { return slot_->is_gone(); }

 private:
  std::shared_ptr<SlotLink> slot_;
};

}  // namespace

// A slot that somebody has, until it is launched. What is not launched after all goes.
struct NativeLauncher::Held {
  NativeLauncher& launcher;
  std::shared_ptr<SlotLink> slot;
  bool launched = false;

  Held(NativeLauncher& owner, std::shared_ptr<SlotLink> s) : launcher(owner), slot(std::move(s)) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    launcher.held_.erase(slot->id());
    if (!launched) launcher.leave(slot);
  }
};

namespace {

LaunchOrder order_for(const Container& container) {
  LaunchOrder order;
  order.args = container.args;
  order.env = container.env;
  order.working_dir = container.working_dir;
  order.uid = container.user.uid;
  order.gid = container.user.gid;
  order.groups.assign(container.user.additional_gids.begin(), container.user.additional_gids.end());
  for (const ProcessLimit& limit : process_limits(container.resources)) {
    order.limits.push_back({static_cast<std::uint64_t>(limit.resource), limit.value});
  }
  order.tmpfs_options = tmpfs_bounds(container.resources);
  for (const image::Graft& graft : container.image->grafts) order.grafts.push_back(graft.path);
  order.has_executor = !container.executor.empty();
  order.has_snapshot = container.snapshot != nullptr;
  return order;
}

// What goes with the order, in the order of orders.h.
std::vector<sys::UniqueFd> mounts_for(const Container& container) {
  constexpr std::uint64_t kSealed = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  std::vector<sys::UniqueFd> mounts;
  const image::Image& image = *container.image;
  mounts.push_back(sys::clone_mount(sys::open_directory(image.rootfs).get(), kSealed));
  for (const image::Graft& graft : image.grafts) {
    const sys::UniqueFd tree = sys::open_directory(graft.tree);
    mounts.push_back(sys::clone_mount(open_graft(tree.get(), graft).get(), kSealed));
  }
  const sys::UniqueFd control = sys::open_file(container.control_socket, O_PATH | O_NOFOLLOW);
  mounts.push_back(
      sys::clone_mount(control.get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  if (!container.executor.empty()) {
    const sys::UniqueFd executor = sys::open_file(container.executor, O_PATH);
    mounts.push_back(sys::clone_mount(executor.get(), kSealed));
  }
  return mounts;
}

// Few images have users with numbers that a slot's range lacks.
bool is_ordinary(const sys::IdMaps& ids) {
  return ids.users.size() == 1 && ids.groups.size() == 1;
}

sys::CgroupLimits limits_for(const Resources& resources) {
  return {.memory_bytes = resources.memory_bytes,
          .limit_swap = resources.limit_swap,
          .cpu_quota_us = cpu_quota_us(resources),
          .pids = resources.pids};
}

}  // namespace

std::optional<std::uint32_t> IdRanges::take() {
  const std::lock_guard lock(mutex_);
  if (!given_back_.empty()) return given_back_.extract(given_back_.begin()).value();
  if (next_ == kSlotIdRanges) return std::nullopt;
  return next_++;
}

bool IdRanges::has_free() {
  const std::lock_guard lock(mutex_);
  return !given_back_.empty() || next_ < kSlotIdRanges;
}

void IdRanges::give_back(std::uint32_t range) {
  const std::lock_guard lock(mutex_);
  given_back_.insert(range);
}

NativeLauncher::NativeLauncher(sys::EventLoop& loop, const sys::Log& log,
                               const sys::CgroupTree& cgroups, ConnectBroker& broker,
                               std::filesystem::path bundles, std::filesystem::path sockets)
    : loop_(loop),
      log_(log),
      cgroups_(cgroups),
      broker_(broker),
      bundles_(std::move(bundles)),
      sockets_(std::move(sockets)),
      filter_(compile_filter(handler_profile())) {}

NativeLauncher::~NativeLauncher() {
  drop_idle();
  const auto deadline = sys::EventLoop::Clock::now() + kLastPatience;
  while (!leaving_.empty() && sys::EventLoop::Clock::now() < deadline) {
    remove_what_left();
    if (!leaving_.empty()) std::this_thread::sleep_for(kLookPause);
  }
}

void NativeLauncher::check() const {
  static_cast<void>(sys::find_own_program(kProgram));
  cgroups_.check_own();
}

// Started again if it has ended, which it never should.
void NativeLauncher::start_process() {
  if (process_) return;
  const auto now = sys::EventLoop::Clock::now();
  if (now < not_before_) {
    throw sys::Refused(sys::Refusal::failed, "no_launcher",
                       std::string(kProgram) + " has just ended; it is started again soon");
  }
  started_ = now;
  sys::MessagePair pair = sys::make_message_pair(kMaxMessage);
  sys::SubprocessOptions options;
  options.argv = {sys::find_own_program(kProgram).string()};
  options.stdin_fd = pair.theirs.get();
  options.stderr_fd = STDERR_FILENO;
  process_.emplace(options);
  channel_ = std::move(pair.ours);
  sys::send_fd_message(channel_.get(), filter_, {});
  process_watch_ = loop_.watch(process_->pidfd(), EPOLLIN, [this](auto) { on_process_end(); });
}

void NativeLauncher::on_process_end() {
  const std::optional<sys::ExitStatus> status = process_->poll();
  if (!status) return;
  log_.error("launcher_ended", {{"program", kProgram}, {"status", status->describe()}});
  const auto now = sys::EventLoop::Clock::now();
  early_ends_ = now - started_ < kSoonAfterStart ? early_ends_ + 1 : 0;
  if (early_ends_ >= kEarlyEnds) not_before_ = now + kStartPause;
  process_watch_.reset();
  process_.reset();
  channel_.reset();
  // What it was making when it ended may be there, and nobody can say so any more.
  const std::list<std::shared_ptr<SlotLink>> slots = free_;
  for (const std::shared_ptr<SlotLink>& slot : slots) {
    if (!slot->is_born()) drop_lost(slot.get());
  }
}

// Of these maps, or of a range of its own.
std::shared_ptr<SlotLink> NativeLauncher::make_slot(const std::string& id,
                                                    const std::optional<sys::IdMaps>& ids) {
  start_process();
  SlotOrder order;
  order.id = id;
  std::optional<std::uint32_t> range;
  if (ids) {
    order.ids = *ids;
  } else {
    range = ranges_.take();
    const std::vector<sys::IdRange> own = {{0, slot_host_id(range.value()), kHostIds}};
    order.ids = {own, own};
  }
  try {
    sys::CgroupEntrance entrance = cgroups_.make(id);
    order.cgroup_v2 = entrance.v2;
    cgroups_.yield_processor(id);  // until it is launched: handlers go first
    if (limits_.memory_bytes > 0) cgroups_.limit(id, limits_);
    sys::MessagePair pair = sys::make_message_pair(kMaxMessage);
    std::vector<int> fds = {pair.theirs.get()};
    for (const sys::UniqueFd& fd : entrance.fds) fds.push_back(fd.get());
    auto slot = std::make_shared<SlotLink>(loop_, Bundle(bundles_, id, sockets_), order.ids,
                                           std::move(pair.ours));
    slot->set_limits(limits_);
    // From here on nothing may throw: what is ordered has its cgroup and its range until it is
    // gone.
    if (!sys::send_fd_message(channel_.get(), order.pack(), fds)) {
      throw sys::Refused(sys::Refusal::failed, "no_launcher",
                         std::string(kProgram) + " does not take orders");
    }
    if (range) range_of(id, *range);
    return slot;
  } catch (...) {
    cgroups_.remove(id);
    if (range) ranges_.give_back(*range);
    throw;
  }
}

void NativeLauncher::range_of(const std::string& id, std::uint32_t range) {
  const std::lock_guard lock(mutex_);
  range_of_[id] = range;
}

std::string NativeLauncher::next_id(const sys::IdMaps& ids) {
  if (!is_ordinary(ids)) return sys::random_hex(kIdBytes);
  const auto is_ready = [](const auto& slot) { return slot->is_ready(); };
  while (!free_.empty()) {
    auto slot = std::find_if(free_.begin(), free_.end(), is_ready);
    if (slot == free_.end()) slot = free_.begin();
    if (!(*slot)->is_lost()) return (*slot)->id();
    drop_lost(slot->get());
  }
  return sys::random_hex(kIdBytes);
}

Reservation NativeLauncher::reserve(const std::string& id, const Container& container,
                                    RootfsView&) {
  std::shared_ptr<SlotLink> slot;
  const auto it = std::find_if(free_.begin(), free_.end(),
                               [&](const auto& candidate) { return candidate->id() == id; });
  if (it != free_.end()) {
    slot = std::move(*it);
    free_.erase(it);
  } else {
    const bool own_range = is_ordinary(container.ids) && ranges_.has_free();
    slot = make_slot(id, own_range ? std::nullopt : std::optional(container.ids));
  }
  const auto held = std::make_shared<Held>(*this, slot);
  held_[id] = held;
  return {id, slot->ids(), {}, held, slot->take_bundle()};
}

std::unique_ptr<Launch> NativeLauncher::launch(LaunchOptions options) {
  const Container& container = options.container;
  const std::shared_ptr<Held> held = held_.extract(container.id).mapped().lock();
  const std::shared_ptr<SlotLink>& slot = held->slot;
  const sys::CgroupLimits limits = limits_for(container.resources);
  if (slot->limits() != limits) cgroups_.limit(container.id, limits);
  limits_ = limits;  // the next one's, as a rule
  if (!container.resources.low_priority) cgroups_.claim_processor(container.id);
  const std::vector<sys::UniqueFd> mounts = mounts_for(container);
  std::vector<int> fds = {options.stdout_fd, options.stderr_fd};
  for (const sys::UniqueFd& mount : mounts) fds.push_back(mount.get());
  const sys::UniqueFd snapshot = container.snapshot ? container.snapshot->open() : sys::UniqueFd();
  if (snapshot) fds.push_back(snapshot.get());
  const auto adopt = [this, id = container.id](sys::UniqueFd listener) {
    broker_.adopt(id, std::move(listener));
  };
  // What is done for the containers to come waits until this one is there.
  const auto done = [this, then = std::move(options.done)](LaunchResult result) {
    fill_soon();
    then(std::move(result));
  };
  if (!slot->launch(order_for(container).pack(), fds, {adopt, done})) {
    throw sys::Refused(sys::Refusal::failed, "no_slot",
                       "the native launcher has lost a slot: " + slot->failure());
  }
  // All that a start after a crash of ours has to know of it; the slot is at work meanwhile, and
  // ends if this cannot be written.
  options.bundle.write_config({{"annotations", container.annotations}});
  held->launched = true;
  last_launch_ = sys::EventLoop::Clock::now();
  return std::make_unique<NativeLaunch>(slot);
}

void NativeLauncher::sweep(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto range = range_of_.extract(id);
  if (range) ranges_.give_back(range.mapped());
}

void NativeLauncher::fill_soon() {
  if (fill_) return;
  fill_ = loop_.after(kFillDelay, [this] {
    fill_.reset();
    fill();
  });
}

void NativeLauncher::fill() {
  try {
    const bool full = free_.size() >= kFreeSlots || !ranges_.has_free();
    const bool quiet = sys::EventLoop::Clock::now() >= last_launch_ + kFillDelay;
    if (!full && !quiet && free_.size() >= kFewSlots) {
      fill_soon();
    } else if (!full) {
      const std::shared_ptr<SlotLink> slot = make_slot(sys::random_hex(kIdBytes), std::nullopt);
      slot->on_loss([this, lost = slot.get()] { drop_lost(lost); });
      free_.push_back(slot);
      loop_.post([this] { fill(); });  // one at a time: whoever waits meanwhile goes first
    }
  } catch (const std::exception& error) {
    log_.error("slot_failed", {{"reason", error.what()}});
  }
  idle_ = loop_.after(kIdle, [this] { drop_idle(); });
}

// Nobody has it yet, so nobody misses it: another one takes its place.
void NativeLauncher::drop_lost(const SlotLink* lost) {
  const auto it = std::find_if(free_.begin(), free_.end(),
                               [lost](const auto& slot) { return slot.get() == lost; });
  if (it == free_.end()) return;
  log_.error("slot_lost", {{"instance", (*it)->id()}, {"reason", (*it)->failure()}});
  const std::shared_ptr<SlotLink> slot = *it;
  free_.erase(it);
  leave(slot);
  fill_soon();
}

void NativeLauncher::drop_idle() {
  while (!free_.empty()) {
    leave(free_.front());
    free_.pop_front();
  }
}

void NativeLauncher::leave(const std::shared_ptr<SlotLink>& slot) {
  slot->end();
  leaving_.push_back(slot);
  if (!leave_) leave_ = loop_.after(kLeaveDelay, [this] { look_at_leaving(); });
}

void NativeLauncher::remove_what_left() {
  std::erase_if(leaving_, [this](const std::shared_ptr<SlotLink>& slot) {
    if (!slot->is_gone() || !cgroups_.remove(slot->id())) return false;
    sweep(slot->id());
    return true;
  });
}

void NativeLauncher::look_at_leaving() {
  leave_.reset();
  remove_what_left();
  if (!leaving_.empty()) leave_ = loop_.after(kLeaveDelay, [this] { look_at_leaving(); });
}

}  // namespace runtime::native
