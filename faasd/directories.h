// The two directories of a daemon, made and locked: while this lives, no other faasd uses them.
// Removes the run directory's content at the end. Throws sys::Refused(conflict, "already_running").
#pragma once

#include <filesystem>
#include <string>

#include "oci/sys/file.h"

class Directories {
 public:
  Directories(std::filesystem::path state_dir, std::filesystem::path run_dir);
  ~Directories();
  Directories(const Directories&) = delete;
  Directories& operator=(const Directories&) = delete;

  const std::filesystem::path& state() const noexcept { return state_; }
  std::filesystem::path broker_socket() const { return run_ / "broker.sock"; }
  std::filesystem::path bundles() const { return run_ / "bundles"; }
  std::filesystem::path runtime_root() const { return run_ / "runtime"; }
  std::filesystem::path address_journal() const { return run_ / "addresses"; }

  // The subtree of cgroups that is this daemon's: "faasd" for the default run directory, another
  // name for each other one, so that two daemons never touch each other's containers.
  std::string cgroup_name() const;

 private:
  // A directory that goes at the end, if it was made here and is empty then.
  struct Made {
    explicit Made(std::filesystem::path p);
    ~Made();
    std::filesystem::path path;
    bool here = false;
  };

  std::filesystem::path state_;
  std::filesystem::path run_;
  Made made_run_;
  sys::LockFile state_lock_;
  sys::LockFile run_lock_;
};
