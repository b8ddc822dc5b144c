// Removes what a daemon that died left behind: containers that still run, their cgroups, what the
// runtime kept about them, bundles, addresses. Only what lies under our own run directory, cgroup
// subtree and address journal; the lock on the run directory says that its owner is dead. Each
// connection that was being served gets its receipt, as far as one can be written.
#pragma once

#include "faasd/function/address_pool.h"
#include "faasd/instance/instance.h"
#include "oci/runtime/oci_launcher.h"

namespace control {

// Returns when all of it is gone. Throws std::system_error if the machine does not let us look.
void remove_leftovers(const instance::Workshop& workshop, runtime::OciLauncher& launcher,
                      function::AddressPool& addresses);

}  // namespace control
