// runc: is it there, new enough, and does its version have a known hole (oci/runtime/runc_holes.h)?
#pragma once

#include <vector>

#include "faas-cli/doctor/check.h"

namespace cli::doctor {

// Whether it is there, and one check for each hole of that version.
std::vector<Check> check_runc(const Host& host);

}  // namespace cli::doctor
