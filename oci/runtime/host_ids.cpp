#include "oci/runtime/host_ids.h"

#include <set>
#include <stdexcept>
#include <string>

#include "oci/sys/error.h"

namespace runtime {
namespace {

std::vector<sys::IdRange> ranges_for(const HostIds& ids, const std::set<std::uint32_t>& used) {
  std::vector<sys::IdRange> ranges = {{0, ids.first, kHostIds}};
  std::uint32_t high = 0;
  for (auto it = used.lower_bound(kHostIds); it != used.end(); ++it) {
    if (high == kHighHostIds) {
      throw sys::Refused(sys::Refusal::invalid, "too_many_groups",
                         "the image's user is in more than " + std::to_string(kHighHostIds - 1) +
                             " groups numbered " + std::to_string(kHostIds) + " or higher");
    }
    ranges.push_back({*it, ids.first_high + high++, 1});
  }
  return ranges;
}

}  // namespace

sys::IdMaps map_ids(const HostIds& ids, const image::ProcessUser& user) {
  std::set<std::uint32_t> groups(user.additional_gids.begin(), user.additional_gids.end());
  groups.insert(user.gid);
  return {ranges_for(ids, {user.uid}), ranges_for(ids, groups)};
}

std::uint32_t host_id(const std::vector<sys::IdRange>& map, std::uint32_t inside) {
  for (const sys::IdRange& range : map) {
    if (inside >= range.inside && inside - range.inside < range.count) {
      return range.host + (inside - range.inside);
    }
  }
  throw std::out_of_range("no id of the host stands for " + std::to_string(inside));
}

}  // namespace runtime
