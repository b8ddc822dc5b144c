#include "oci/sys/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "oci/sys/error.h"

namespace sys {
namespace {

constexpr std::uint64_t kBlockBytes = 512;  // st_blocks, stat(2)

}  // namespace

UniqueFd make_memory_file(const char* name) {
  UniqueFd file(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) throw_errno("memfd_create");
  return file;
}

void seal_memory_file(int fd) {
  constexpr int kAll = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (::fcntl(fd, F_ADD_SEALS, kAll) != 0) throw_errno("seal a file in memory");
}

std::uint64_t memory_of_file(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw_errno("fstat of a file in memory");
  return static_cast<std::uint64_t>(status.st_blocks) * kBlockBytes;
}

}  // namespace sys
