// A container to come: a process that already stands in its cgroup and its namespaces and has its
// own /proc, /sys, /dev and /tmp ready, and belongs to no function yet. It still has the launcher's
// rights; when it is told what to become it gives them up, and what runs then has none of them.
// Source: namespaces(7), mount_setattr(2), move_mount(2), capabilities(7), seccomp(2).
#pragma once

#include <string_view>
#include <vector>

#include "oci/runtime/native/orders.h"
#include "oci/sys/unique_fd.h"

namespace runtime::native {

struct SlotParts {
  SlotOrder order;
  sys::UniqueFd socket;                // to faasd
  std::vector<sys::UniqueFd> cgroups;  // `tasks` of each hierarchy it is not yet in
  int user_namespace = -1;             // of its maps; borrowed
  std::string_view filter;             // the seccomp filter, as the kernel takes it
};

// What the process is from its first instruction on. Ends by becoming the handler, or with what
// went wrong told to faasd.
[[noreturn]] void run_slot(SlotParts parts) noexcept;

}  // namespace runtime::native
