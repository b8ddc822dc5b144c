// A slot as faasd has it: its end of the pair with the process (launcher/slot.h). Owned by the
// NativeLauncher until it is reserved, then by who launches it; loop thread.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "oci/runtime/launcher.h"
#include "oci/sys/cgroup.h"
#include "oci/sys/event_loop.h"
#include "oci/sys/unique_fd.h"
#include "oci/sys/user_namespace.h"

namespace sys {
struct FdMessage;
}

namespace runtime::native {

class SlotLink {
 public:
  struct Callbacks {
    std::function<void(sys::UniqueFd listener)> adopt;  // what the container's filter asks
    std::function<void(LaunchResult)> done;             // once; this may be destroyed from within
  };

  SlotLink(sys::EventLoop& loop, Bundle bundle, sys::IdMaps ids, sys::UniqueFd socket);
  ~SlotLink();
  SlotLink(const SlotLink&) = delete;
  SlotLink& operator=(const SlotLink&) = delete;

  const std::string& id() const noexcept { return id_; }
  const sys::IdMaps& ids() const noexcept { return ids_; }
  bool is_ready() const noexcept { return ready_ && born_; }
  bool is_born() const noexcept { return born_; }
  // Ended before it was launched, or never came to be; `failure` says why.
  bool is_lost() const noexcept;
  std::string failure() const { return failure_.empty() ? "it was killed" : failure_; }

  // Once.
  Bundle take_bundle() noexcept { return std::move(bundle_); }

  // What its cgroup was given already.
  const sys::CgroupLimits& limits() const noexcept { return limits_; }
  void set_limits(const sys::CgroupLimits& limits) { limits_ = limits; }

  // Called when it ends before it was launched.
  void on_loss(std::function<void()> callback) { lost_callback_ = std::move(callback); }

  // Tells it what to become; `fds` are borrowed until this returns. False if it has gone.
  bool launch(std::string_view order, std::span<const int> fds, Callbacks callbacks);

  // Has it end, and calls nothing any more. May then be asked, or be destroyed, by another thread.
  void end() noexcept;
  // After `end`: whether it is gone. What the launcher was told to make and has not made yet is
  // not.
  bool is_gone() noexcept;

 private:
  void on_event();
  void hear(sys::FdMessage& message);
  bool hear_of_birth() noexcept;
  void hear_the_rest();
  void on_end();

  const std::string id_;
  Bundle bundle_;
  sys::IdMaps ids_;
  sys::CgroupLimits limits_;
  sys::UniqueFd socket_;
  sys::UniqueFd pidfd_;  // once it is born, until it is the launched container's
  bool born_ = false;
  bool ready_ = false;
  bool lost_ = false;
  bool has_filter_ = false;
  std::string failure_;
  std::function<void()> lost_callback_;
  Callbacks callbacks_;
  sys::EventLoop::Watch watch_;  // last: it goes first
};

}  // namespace runtime::native
