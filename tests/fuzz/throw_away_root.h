// Where layer_fuzz lets hostile layers be unpacked: a tmpfs that only this process sees, with a
// canary beside the directory that the layers belong to. Everything else that the process can see
// is read-only from then on, so that an escape shows itself and does no harm; the tmpfs goes with
// the process, even with one that crashed. Owned by the target; one thread; for root only. Throws
// std::system_error. Source: mount_namespaces(7), mount_setattr(2).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace fuzz {

// What lstat(2) says, and what a link leads to: equal before and after if nothing was done to it.
using TreeState = std::map<std::string, std::string>;

// `with_changes` tells apart any two states of a file (ctime, link count, and whether it was read);
// without, only what a reader of the tree sees.
TreeState state_of(const std::filesystem::path& tree, bool with_changes);

class ThrowAwayRoot {
 public:
  // `writable` are the directories that stay writable: corpus and findings.
  explicit ThrowAwayRoot(const std::vector<std::filesystem::path>& writable);

  // An empty directory, whatever was in it before.
  const std::filesystem::path& reset();
  // Aborts if anything beside that directory was changed, replaced, added, linked to or read.
  void require_untouched() const;

 private:
  std::filesystem::path place_;  // the tmpfs
  std::filesystem::path work_;
  std::filesystem::path canary_;
  TreeState before_;
};

}  // namespace fuzz
