#include "oci/sys/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace sys {
namespace {

constexpr std::uint64_t kBlockBytes = 512;  // st_blocks, stat(2)
constexpr unsigned kNoExecution = 0x0008;   // MFD_NOEXEC_SEAL: it is mapped, never executed

}  // namespace

UniqueFd make_memory_file(const char* name) {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  UniqueFd file(::memfd_create(name, kFlags | kNoExecution));
  if (!file && errno == EINVAL) file.reset(::memfd_create(name, kFlags));  // before Linux 6.3
  if (!file) throw_errno("memfd_create");
  if (::fchmod(file.get(), 0) != 0) throw_errno("fchmod of a file in memory");
  return file;
}

UniqueFd reopen_memory_file(int fd) {
  return open_file("/proc/self/fd/" + std::to_string(fd), O_RDONLY);
}

void seal_memory_file(int fd) {
  constexpr int kAll = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (::fcntl(fd, F_ADD_SEALS, kAll) != 0) throw_errno("seal a file in memory");
}

std::uint64_t memory_of_file(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw_errno("fstat of a file in memory");
  return std::max(static_cast<std::uint64_t>(status.st_size),
                  static_cast<std::uint64_t>(status.st_blocks) * kBlockBytes);
}

}  // namespace sys
