// The profile as the kernel takes it: compiled once, by libseccomp, for all containers.
// seccomp(2), seccomp_export_bpf(3).
#pragma once

#include <string>

#include "oci/runtime/seccomp_profile.h"

namespace runtime::native {

// The bytes of an array of `struct sock_filter`. Throws std::system_error.
std::string compile_filter(const SeccompProfile& profile);

}  // namespace runtime::native
