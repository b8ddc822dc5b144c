// Launches through the command line of an OCI runtime: runc, crun or any other that takes
// `run --detach --pid-file --bundle`. Detached, the runtime leaves as soon as the container runs,
// and since this process is a subreaper the container becomes our child: its exit is ours to see,
// and nothing of the runtime stays in memory while a request is served. docs/RUNC.md has the
// lifecycle.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "oci/runtime/launcher.h"
#include "oci/sys/cgroup.h"
#include "oci/sys/event_loop.h"

namespace runtime {

class OciLauncher : public Launcher {
 public:
  // `program` is looked up in PATH if it has no '/'; `root` is where the runtime keeps its state,
  // `bundles` where those of its containers are. `cgroups` says where theirs are to be, and whether
  // they are for systemd to make.
  // Made on the thread that launches, which gets the containers' session keyring.
  OciLauncher(sys::EventLoop& loop, std::string program, std::filesystem::path root,
              std::filesystem::path bundles, const sys::CgroupTree& cgroups);

  std::string next_id(const sys::IdMaps& ids) override;
  Reservation reserve(const std::string& id, const Container& container, RootfsView& view) override;
  std::unique_ptr<Launch> launch(LaunchOptions options) override;
  void sweep(const std::string& id) override;
  std::string_view name() const noexcept override { return program_; }

  // Kills runtime processes that a dead daemon left in the middle of a launch; they are known by
  // our `--root` in their command line. And names the containers they have state of.
  void kill_orphans() const;
  std::vector<std::string> list() const;

 private:
  sys::EventLoop& loop_;
  std::string program_;
  std::filesystem::path root_;
  std::filesystem::path bundles_;
  const sys::CgroupTree& cgroups_;
};

}  // namespace runtime
