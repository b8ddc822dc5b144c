// Who the users of a container are on the host. Every function has ids of its own, which nobody
// else on the host has: root in a container is nobody outside, and nobody in another function's.
// Plain values.
#pragma once

#include <cstdint>

#include "oci/image/image.h"
#include "oci/sys/user_namespace.h"

namespace runtime {

// Inside, users and groups are numbered from 0 on, as everywhere.
inline constexpr std::uint32_t kHostIds = 65'536;
// Few images number a user higher; each of its process's ids up there takes one more.
inline constexpr std::uint32_t kHighHostIds = 64;

// Which of the host they are, users and groups alike: far above those of people (useradd(8)) and of
// people's own containers (subuid(5) counts up from 100,000), and below 2^31, from where on
// programs take them for negative. systemd-nspawn(1) --private-users=pick takes one range at random
// below 0x70000000 and asks whether somebody has it; it cannot know of ours.
inline constexpr std::uint32_t kHostIdRanges = 10'240;
inline constexpr std::uint32_t kFirstHostId = 0x5000'0000;
inline constexpr std::uint32_t kFirstHighHostId = kFirstHostId - kHostIdRanges * kHighHostIds;
inline constexpr std::uint32_t kLastHostId = kFirstHostId + kHostIdRanges * kHostIds - 1;

// Above them, up to 2^31: one range for each slot of the native launcher.
inline constexpr std::uint32_t kSlotIdRanges = 2'047;
constexpr std::uint32_t slot_host_id(std::uint32_t range) noexcept {  // range < kSlotIdRanges
  return kLastHostId + 1 + range * kHostIds;
}

inline constexpr std::uint32_t kLastSlotHostId = slot_host_id(kSlotIdRanges - 1) + kHostIds - 1;

// The host's ids that one function has, users and groups alike.
struct HostIds {
  std::uint32_t first = 0;       // of kHostIds
  std::uint32_t first_high = 0;  // of kHighHostIds
};
constexpr HostIds host_ids(std::uint32_t range) noexcept {  // range < kHostIdRanges
  return {kFirstHostId + range * kHostIds, kFirstHighHostId + range * kHighHostIds};
}

// Throws sys::Refused(invalid, "too_many_groups") if the user is in too many high-numbered groups.
// An owner of a file that has no id here is seen inside as nobody (65534).
sys::IdMaps map_ids(const HostIds& ids, const image::ProcessUser& user);

// Who `inside` is on the host; it must be in the map.
std::uint32_t host_id(const std::vector<sys::IdRange>& map, std::uint32_t inside);

}  // namespace runtime
