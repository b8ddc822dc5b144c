// Cgroups of v1 whose instances are gone, kept for instances to come: making and removing one costs
// the kernel a millisecond of processor time, nearly all of it for the memory controller, and
// giving it another name a twentieth. v2 gives no other name to a cgroup, and its memory.peak
// cannot be begun anew for all who read it. Owned by the CgroupTree. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <list>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sys {

class CgroupSpares {
 public:
  // Where instances have their cgroups, in each hierarchy that limits something.
  struct Place {
    std::filesystem::path parent;
    bool cpuacct = false;
    bool memory = false;
  };

  // Without a place it keeps nothing.
  explicit CgroupSpares(std::vector<Place> places) : places_(std::move(places)) {}
  ~CgroupSpares();  // removes them
  CgroupSpares(const CgroupSpares&) = delete;
  CgroupSpares& operator=(const CgroupSpares&) = delete;

  // Gives a kept one to this instance, with counters that begin anew; its limits, and its share of
  // the processor, are still those of whoever had it. False if there is none in which nothing is
  // left.
  bool give(const std::string& id);
  // This instance's was made in every place, and may be kept when it is gone.
  void made(const std::string& id);
  bool may_keep(const std::string& id);
  // Whether it is known that no process is in it.
  bool is_empty(const std::string& id) const noexcept;
  // Of an empty one. False if it has to be removed.
  bool keep(const std::string& id);

 private:
  bool renew(const std::string& spare) const;
  bool rename(const std::string& from, const std::string& to) const;
  void remove(const std::string& name) const;

  const std::vector<Place> places_;
  std::mutex mutex_;  // guards what follows
  std::set<std::string> made_;
  std::list<std::string> kept_;  // the oldest in front
  std::uint64_t next_ = 0;
};

}  // namespace sys
