// How an instance's container is made. One interface, two launchers: any OCI runtime's command line
// (OciLauncher) and our own (native/). A Launch is a container on its way.
// Used on the event-loop thread; `sweep` may be called from any thread.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "oci/runtime/bundle.h"
#include "oci/runtime/container.h"
#include "oci/runtime/rootfs_view.h"
#include "oci/sys/unique_fd.h"

namespace runtime {

// The container runs: its first process, a child of this process that is not reaped yet.
struct Launched {
  sys::UniqueFd pidfd;
};

// It does not; `reason` is for the log (it may name paths), `summary` is fit for a client.
struct LaunchFailure {
  std::string summary;
  std::string reason;
  bool out_of_memory = false;  // the kernel killed the container's first process for its limit
};

using LaunchResult = std::variant<Launched, LaunchFailure>;

class Launch {
 public:
  virtual ~Launch() = default;
  // Gives up: `done` is not called any more, and the Launch may go to another thread.
  virtual void abandon() noexcept = 0;
  // Of one that was abandoned: whether nothing of what it started is left, without waiting for it.
  virtual bool is_gone() noexcept = 0;
};

// A container that is to be launched soon. What the launcher has ready for it goes with this, so it
// is kept until the container is gone.
struct Reservation {
  std::string id;
  sys::IdMaps ids;               // who its users are on the host
  std::filesystem::path rootfs;  // where a runtime finds its root file system
  std::shared_ptr<const void> held;
  Bundle bundle;
};

struct LaunchOptions {
  const Container& container;  // with all that differs; until `launch` returns
  const Bundle& bundle;        // outlives the Launch
  int stdout_fd;               // borrowed until `launch` returns
  int stderr_fd;
  std::function<void(LaunchResult)> done;  // once, on the loop thread, never from within `launch`
  bool low_priority = false;               // nobody waits for it
};

// What follows but `sweep` is called on the loop thread.
class Launcher {
 public:
  virtual ~Launcher() = default;
  // The name of the next container, whose users are to be these: what can be reserved.
  virtual std::string next_id(const sys::IdMaps& ids) = 0;
  // Makes its bundle, if it has none yet. Throws std::system_error, or sys::Refused.
  virtual Reservation reserve(const std::string& id, const Container& container,
                              RootfsView& view) = 0;
  // Throws std::system_error if not even the runtime's process could be started.
  virtual std::unique_ptr<Launch> launch(LaunchOptions options) = 0;
  // Removes what the launcher keeps about a container that is dead, and only that. Not an error if
  // there is nothing.
  virtual void sweep(const std::string& id) = 0;
  virtual std::string_view name() const noexcept = 0;
};

}  // namespace runtime
