#include "oci/image/tree_sharing.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "oci/image/entry_path.h"
#include "oci/image/quota.h"
#include "oci/image/refusal.h"
#include "oci/image/tree.h"
#include "oci/sys/clock.h"
#include "oci/sys/file.h"

namespace image {
namespace {

struct Candidate {
  Graft graft;
  std::size_t directories = 0;
};

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool same_xattrs(int a, int b) {
  if (sys::read_xattr_if_exists(a, std::string(kCapabilityXattr)) !=
      sys::read_xattr_if_exists(b, std::string(kCapabilityXattr))) {
    return false;
  }
  std::vector<std::string> names = sys::list_user_xattrs(a);
  std::vector<std::string> others = sys::list_user_xattrs(b);
  std::sort(names.begin(), names.end());
  std::sort(others.begin(), others.end());
  return names == others && std::all_of(names.begin(), names.end(), [&](const std::string& name) {
           return sys::read_xattr_if_exists(a, name) == sys::read_xattr_if_exists(b, name);
         });
}

bool same_metadata(int a, int b) {
  const struct stat one = stat_of(a);
  const struct stat two = stat_of(b);
  return one.st_mode == two.st_mode && one.st_uid == two.st_uid && one.st_gid == two.st_gid &&
         same_time(one.st_mtim, two.st_mtim) && same_xattrs(a, b);
}

// Grafts are named in image.json and in the host's table of mounts, where people read them.
bool can_be_named(const std::string& path) {
  return printable(path) == path;
}

// Walks both trees side by side, by paths from their roots: the depth of a tree is bounded (by
// Quota::path_depth, when it was composed), its descriptors are not held. Memory: the names of one
// directory a level, and the candidates, each of which stands for several directories.
class Comparison {
 public:
  Comparison(const std::filesystem::path& tree, const Image& other)
      : tree_(sys::open_directory(tree)), other_(other), cpu_before_(sys::thread_cpu_time()) {
    for (const Graft& graft : other_.grafts) grafted_[graft.path] = graft.tree;
  }

  std::vector<Candidate> run() {
    compare("", other_.rootfs);
    return std::move(found_);
  }

 private:
  struct Verdict {
    bool same = false;  // with all that is in it, and that lies in one tree
    std::size_t directories = 0;
  };

  struct Contents {
    bool same = false;  // but for the directories
    std::vector<std::string> directories;
  };

  // `home` is the tree that has the other one's directory of this path.
  Verdict compare(const std::string& path, const std::filesystem::path& home) {
    if (sys::thread_cpu_time() - cpu_before_ > kShareCpu) return {};
    const Contents contents = look_at(path, home);
    Verdict verdict{contents.same, 1};
    std::vector<Candidate> candidates;
    for (const std::string& name : contents.directories) {
      const std::string below = join_path(path, name);
      const auto graft = grafted_.find(below);
      const std::filesystem::path& where = graft == grafted_.end() ? home : graft->second;
      const Verdict inner = compare(below, where);
      verdict.directories += inner.directories;
      if (inner.same && inner.directories >= kGraftDirectories && can_be_named(below)) {
        candidates.push_back({{below, where}, inner.directories});
      }
      if (!inner.same || where != home) verdict.same = false;
    }
    if (path.empty()) verdict.same = false;  // a tree of its own has a root of its own
    if (!verdict.same) std::move(candidates.begin(), candidates.end(), std::back_inserter(found_));
    return verdict;
  }

  Contents look_at(const std::string& path, const std::filesystem::path& home) {
    const auto mine = open_directory_beneath(tree_.get(), path);
    const auto theirs = open_directory_beneath(root_of(home), path);
    if (!mine || !theirs) return {};
    Contents contents{same_metadata(mine->get(), theirs->get()), {}};
    std::vector<std::string> names = list_names(mine->get());
    if (names.size() != list_names(theirs->get()).size()) contents.same = false;
    for (std::string& name : names) {
      const auto one = stat_at(mine->get(), name);
      const auto two = stat_at(theirs->get(), name);
      if (one && two && S_ISDIR(one->st_mode) && S_ISDIR(two->st_mode)) {
        contents.directories.push_back(std::move(name));
      } else if (!one || !two || one->st_dev != two->st_dev || one->st_ino != two->st_ino) {
        contents.same = false;
      }
    }
    return contents;
  }

  int root_of(const std::filesystem::path& home) {
    const auto [root, is_new] = roots_.try_emplace(home);
    if (is_new) root->second = sys::open_directory(home);
    return root->second.get();
  }

  const sys::UniqueFd tree_;
  const Image& other_;
  const std::chrono::nanoseconds cpu_before_;
  std::map<std::string, std::filesystem::path> grafted_;
  std::map<std::filesystem::path, sys::UniqueFd> roots_;
  std::vector<Candidate> found_;
};

std::pair<std::string, std::string> split_last(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

// What is left in its place looks like it, for whoever sees the tree without its grafts.
void take_out(int tree_fd, const std::string& path, int trash_fd, const std::string& trash_name) {
  const auto [above, name] = split_last(path);
  const auto parent = open_directory_beneath(tree_fd, above);
  const timespec mtime = stat_of(parent->get()).st_mtim;
  const struct stat st = stat_of(open_directory_at(parent->get(), name).get());
  rename_at(parent->get(), name, trash_fd, trash_name);
  make_directory_at(parent->get(), name, S_IRWXU);
  const sys::UniqueFd empty = open_directory_at(parent->get(), name);
  set_owner_and_mode(empty.get(), metadata_of(st));
  set_mtime(empty.get(), st.st_mtim);
  set_mtime(parent->get(), mtime);
}

bool is_above(const std::string& path, const std::string& other) {
  return path.empty() || other.starts_with(path + "/");
}

}  // namespace

std::vector<Graft> share_directories(const std::filesystem::path& tree, const Image& other,
                                     const std::filesystem::path& trash) {
  std::vector<Candidate> candidates = Comparison(tree, other).run();
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.directories > b.directories; });
  if (candidates.size() > kGrafts) candidates.resize(kGrafts);

  const sys::UniqueFd tree_fd = sys::open_directory(tree);
  const sys::UniqueFd trash_fd = sys::open_directory(trash);
  std::vector<Graft> grafts;
  for (Candidate& candidate : candidates) {
    take_out(tree_fd.get(), candidate.graft.path, trash_fd.get(), std::to_string(grafts.size()));
    grafts.push_back(std::move(candidate.graft));
  }
  return grafts;
}

void trim_tree(const std::filesystem::path& tree, const std::set<std::string>& kept,
               std::uint64_t* freed_bytes) {
  std::vector<std::string> directories{""};
  while (!directories.empty()) {
    const std::string path = std::move(directories.back());
    directories.pop_back();
    for (const std::string& name : sys::list_directory(tree / path)) {
      const std::string below = join_path(path, name);
      if (kept.contains(below)) continue;
      if (std::any_of(kept.begin(), kept.end(),
                      [&](const std::string& each) { return is_above(below, each); })) {
        directories.push_back(below);
      } else {
        sys::remove_tree(tree / below, freed_bytes);
      }
    }
  }
}

}  // namespace image
