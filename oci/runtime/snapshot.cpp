#include "oci/runtime/snapshot.h"

#include <unistd.h>

#include <array>
#include <string>

#include "handlers/branch/snapshot.h"
#include "oci/runtime/container_places.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/memory_file.h"

namespace runtime {
namespace {

static_assert(SNAPSHOT_FD == kSnapshotFd);

// The handler's words, for a log and for people: no more than one line of them.
std::string verdict_of(int file) {
  std::array<char, SNAPSHOT_VERDICT> bytes{};
  if (::pread(file, bytes.data(), bytes.size() - 1, SNAPSHOT_AT) < 0) {
    sys::throw_errno("read the snapshot");
  }
  std::string text = bytes.data();
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text;
}

}  // namespace

Snapshot::Snapshot(const std::filesystem::path& code) : file_(sys::make_memory_file("snapshot")) {
  sys::write_all(file_.get(), sys::read_file(code, SNAPSHOT_AT), "the snapshot");
}

void Snapshot::seal() {
  const std::string verdict = verdict_of(file_.get());
  if (verdict != SNAPSHOT_READY) {
    throw sys::Refused(
        sys::Refusal::failed, "no_snapshot",
        verdict.empty() ? "its handler does not know how (docs/PROTOCOL.md)" : verdict);
  }
  sys::seal_memory_file(file_.get());
}

sys::UniqueFd Snapshot::open() const {
  return sys::reopen_memory_file(file_.get());
}

std::uint64_t Snapshot::memory_bytes() const {
  return sys::memory_of_file(file_.get());
}

}  // namespace runtime
