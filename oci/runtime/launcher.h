// How an instance's container is made. One interface, two launchers: any OCI runtime's command line
// (OciLauncher) and our own. A Launch is a container on its way.
// Used on the event-loop thread; `sweep` may be called from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "oci/runtime/bundle.h"
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
  // Waits for what it started to be gone, so destroy one that was abandoned off the loop thread.
  virtual ~Launch() = default;
  // Gives up: `done` is not called any more, and the Launch may go to another thread.
  virtual void abandon() noexcept = 0;
};

struct LaunchOptions {
  const Bundle& bundle;  // outlives the Launch
  int stdout_fd;         // borrowed until `launch` returns
  int stderr_fd;
  std::function<void(LaunchResult)> done;  // once, on the loop thread, never from within `launch`
  bool low_priority = false;               // nobody waits for it
};

class Launcher {
 public:
  virtual ~Launcher() = default;
  // Throws std::system_error if not even the runtime's process could be started.
  virtual std::unique_ptr<Launch> launch(LaunchOptions options) = 0;
  // Removes what the launcher keeps about a container that is dead, and only that. Not an error if
  // there is nothing.
  virtual void sweep(const std::string& id) = 0;
  virtual std::string_view name() const noexcept = 0;
};

}  // namespace runtime
