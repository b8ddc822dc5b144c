// Our own launcher: no runtime's program, no JSON, no shell. A small process of one thread,
// `faasd-launcher`, makes slots: containers to come, which stand in their cgroup and namespaces and
// belong to no function yet (launcher/slot.h). A launch sets the limits of one and tells it what to
// become. docs/RUNC.md has both launchers' lifecycles side by side.
#pragma once

#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "oci/runtime/connect_broker.h"
#include "oci/runtime/launcher.h"
#include "oci/runtime/native/slot_link.h"
#include "oci/sys/cgroup.h"
#include "oci/sys/event_loop.h"
#include "oci/sys/log.h"
#include "oci/sys/subprocess.h"
#include "oci/sys/unique_fd.h"

namespace runtime::native {

// The ranges of the host's ids that slots have, each to itself, so that even two containers of one
// function are nobody to each other. Any thread.
class IdRanges {
 public:
  // The lowest that is free; nothing if none is.
  std::optional<std::uint32_t> take();
  bool has_free();
  void give_back(std::uint32_t range);

 private:
  std::mutex mutex_;
  std::set<std::uint32_t> given_back_;
  std::uint32_t next_ = 0;
};

class NativeLauncher : public Launcher {
 public:
  // The process is started with the first container.
  NativeLauncher(sys::EventLoop& loop, const sys::Log& log, const sys::CgroupTree& cgroups,
                 ConnectBroker& broker, std::filesystem::path bundles,
                 std::filesystem::path sockets);
  ~NativeLauncher() override;

  // Throws sys::Refused(failed) if it can launch nothing here.
  void check() const;

  std::string next_id(const sys::IdMaps& ids) override;
  Reservation reserve(const std::string& id, const Container& container, RootfsView& view) override;
  std::unique_ptr<Launch> launch(LaunchOptions options) override;
  void sweep(const std::string& id) override;
  std::string_view name() const noexcept override { return "native"; }

 private:
  struct Held;

  void start_process();
  void on_process_end();
  std::shared_ptr<SlotLink> make_slot(const std::string& id, const std::optional<sys::IdMaps>& ids);
  void fill();
  void fill_soon();
  void drop_lost(const SlotLink* lost);
  void drop_idle();
  void leave(const std::shared_ptr<SlotLink>& slot);
  void look_at_leaving();
  void remove_what_left();
  void range_of(const std::string& id, std::uint32_t range);

  sys::EventLoop& loop_;
  const sys::Log& log_;
  const sys::CgroupTree& cgroups_;
  ConnectBroker& broker_;
  const std::filesystem::path bundles_;
  const std::filesystem::path sockets_;
  const std::string filter_;

  sys::UniqueFd channel_;
  std::optional<sys::Subprocess> process_;
  sys::EventLoop::Watch process_watch_;
  sys::EventLoop::Clock::time_point started_;
  sys::EventLoop::Clock::time_point not_before_;
  int early_ends_ = 0;
  sys::EventLoop::Clock::time_point last_launch_;

  std::list<std::shared_ptr<SlotLink>> free_;        // the oldest in front
  std::map<std::string, std::weak_ptr<Held>> held_;  // reserved, and not launched yet
  std::list<std::shared_ptr<SlotLink>> leaving_;     // until nothing is left of them
  sys::CgroupLimits limits_;                         // of the last one launched
  sys::EventLoop::Timer fill_;
  sys::EventLoop::Timer idle_;
  sys::EventLoop::Timer leave_;

  IdRanges ranges_;
  std::mutex mutex_;                               // guards what follows
  std::map<std::string, std::uint32_t> range_of_;  // of slots that are not swept yet
};

}  // namespace runtime::native
