// The kernel: old enough to lack what containers of ours stand on? namespaces(7), seccomp(2),
// mount_setattr(2).
#pragma once

#include <vector>

#include "faas-cli/doctor/check.h"

namespace cli::doctor {

Check check_kernel(const Host& host);
Check check_namespaces(const Host& host);
// Tries to make all of them, in a child. Without root it says that it did not.
Check try_namespaces();
Check check_seccomp(const Host& host);

}  // namespace cli::doctor
