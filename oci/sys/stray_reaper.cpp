#include "oci/sys/stray_reaper.h"

#include <chrono>

#include "oci/sys/pidfd.h"

namespace sys {
namespace {

// A child with an owner is reaped within milliseconds: one that is still there at the next look is
// nobody's.
constexpr std::chrono::milliseconds kInterval{2'000};

}  // namespace

StrayReaper::StrayReaper(EventLoop& loop) : loop_(loop) {
  become_subreaper();
  timer_ = loop_.after(kInterval, [this] { look(); });
}

void StrayReaper::look() {
  reap_stray(candidate_);
  timer_ = loop_.after(kInterval, [this] { look(); });
}

}  // namespace sys
