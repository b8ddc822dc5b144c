// What is kept ready for connections to come, of all functions: parked instances and snapshots.
#pragma once

#include <cstddef>
#include <cstdint>

namespace serve {

struct PoolTotals {
  std::size_t instances = 0;  // those that are being launched or swept included
  std::size_t launching = 0;
  std::uint64_t memory_bytes = 0;    // of the parked ones as of their pools' last look
  std::uint64_t snapshot_bytes = 0;  // those included that only instances still have
};

}  // namespace serve
