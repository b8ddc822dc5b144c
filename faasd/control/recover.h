// Removes what a daemon that died left behind: containers that still run, their cgroups, what the
// runtime kept about them, bundles, addresses. Only what lies under our own run directory, cgroup
// subtree and address journal; the lock on the run directory says that its owner is dead.
#pragma once

#include <filesystem>

#include "faasd/function/address_pool.h"
#include "faasd/instance/sweeper.h"
#include "oci/runtime/oci_launcher.h"
#include "oci/sys/cgroup.h"
#include "oci/sys/log.h"

namespace control {

struct Leftovers {
  const std::filesystem::path& bundles_dir;
  const sys::CgroupTree& cgroups;
  runtime::OciLauncher& launcher;
  function::AddressPool& addresses;
  instance::Sweeper& sweeper;
};

// Returns when all of it is gone. Throws std::system_error if the machine does not let us look.
void remove_leftovers(const Leftovers& leftovers, const sys::Log& log);

}  // namespace control
