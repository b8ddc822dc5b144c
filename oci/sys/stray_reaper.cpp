#include "oci/sys/stray_reaper.h"

#include <algorithm>
#include <iterator>

#include "oci/sys/pidfd.h"

namespace sys {
StrayReaper::StrayReaper(EventLoop& loop, std::chrono::milliseconds interval)
    : loop_(loop), interval_(interval) {
  become_subreaper();
  timer_ = loop_.after(interval_, [this] { look(); });
}

void StrayReaper::look() {
  std::vector<pid_t> zombies = zombie_children();
  std::vector<pid_t> strays;
  std::set_intersection(zombies.begin(), zombies.end(), zombies_.begin(), zombies_.end(),
                        std::back_inserter(strays));
  for (const pid_t stray : strays) reap(stray);
  zombies_ = std::move(zombies);
  timer_ = loop_.after(interval_, [this] { look(); });
}

}  // namespace sys
