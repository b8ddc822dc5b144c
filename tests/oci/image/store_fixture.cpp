#include "tests/oci/image/store_fixture.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "oci/image/digest.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace fixture {

bool can_unpack() {
  return ::geteuid() == 0;
}

Tree tree_of(const std::filesystem::path& root, bool with_times) {
  Tree tree;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root, error)) {
    struct stat st {};
    if (::lstat(entry.path().c_str(), &st) != 0) continue;
    std::ostringstream text;
    text << std::oct << st.st_mode << std::dec << " " << st.st_uid << ":" << st.st_gid;
    if (S_ISLNK(st.st_mode)) text << " -> " << std::filesystem::read_symlink(entry.path()).string();
    if (S_ISREG(st.st_mode))
      text << " " << st.st_size << " " << image::sha256_hex(read(entry.path()));
    if (with_times) text << " @" << st.st_mtim.tv_sec << "." << st.st_mtim.tv_nsec;
    tree[entry.path().lexically_relative(root).string()] = text.str();
  }
  return tree;
}

std::size_t open_descriptors() {
  return sys::list_directory("/proc/self/fd").size();
}

std::size_t children() {
  std::size_t count = 0;
  for (const std::string& task : sys::list_directory("/proc/self/task")) {
    std::ifstream file("/proc/self/task/" + task + "/children");
    count += static_cast<std::size_t>(std::distance(std::istream_iterator<std::string>(file),
                                                    std::istream_iterator<std::string>()));
  }
  return count;
}

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "image-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  sys::remove_tree(path_);
}

Store::Store(const image::Quota& quota, std::chrono::milliseconds patience,
             const std::string& program)
    : quota_(quota), patience_(patience), program_(program) {
  std::filesystem::create_directories(canary() / "etc");
  std::ofstream(canary() / "etc" / "passwd") << "canary";
  reopen();
}

void Store::reopen() {
  store_.reset();
  store_ = std::make_unique<image::ImageStore>(state(), log_, program_, quota_, patience_);
}

Outcome Store::import(const std::string& archive, std::size_t piece) {
  store_->settle();
  const Tree state_before = tree_of(state(), true);
  const Tree canary_before = tree_of(canary(), true);
  const std::size_t descriptors_before = open_descriptors();
  const std::size_t children_before = children();
  Outcome outcome;
  try {
    const std::unique_ptr<image::Import> import = store_->begin_import();
    for (std::size_t at = 0; at < archive.size(); at += piece) {
      import->write(std::string_view(archive).substr(at, piece));
    }
    outcome.image = import->finish();
  } catch (const sys::Refused& refused) {
    outcome.code = refused.code();
    outcome.message = refused.what();
    outcome.reason = refused.reason();
  }
  store_->settle();
  CHECK(tree_of(canary(), true) == canary_before);
  CHECK(open_descriptors() == descriptors_before);
  CHECK(children() == children_before);
  CHECK(std::filesystem::is_empty(state() / "staging"));
  if (!outcome.code.empty()) {
    Tree state_after = tree_of(state(), true);
    Tree state_expected = state_before;
    // The directory for imports itself was written to, and is empty again.
    state_after.erase("staging");
    state_expected.erase("staging");
    CHECK(state_after == state_expected);
  }
  return outcome;
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace fixture
