// The cgroups of this host: which layout, and whether cpu, memory and pids can be limited.
// cgroups(7).
#pragma once

#include "faas-cli/doctor/check.h"

namespace cli::doctor {

Check check_cgroups(const Host& host);

}  // namespace cli::doctor
