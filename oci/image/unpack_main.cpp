#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "oci/image/digest.h"
#include "oci/image/image_store.h"
#include "oci/image/image_unpacker.h"
#include "oci/image/quota.h"
#include "oci/image/refusal.h"
#include "oci/image/tree.h"
#include "oci/image/unpack_filter.h"
#include "oci/image/unpack_protocol.h"
#include "oci/sys/confine.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace image {
namespace {

constexpr std::size_t kReadBytes = 256U << 10;

// What would look for files of the host later, when there are none: the locale (names in PAX
// headers are UTF-8) and libcrypto's configuration.
void load_what_is_needed() {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  sha256_hex("");
  ::umask(0);
  // Sanitizers keep more beside a thread's stack than would be left of it.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kUnpackStackBytes);
  ::pthread_setattr_default_np(&attributes);
  ::pthread_attr_destroy(&attributes);
#endif
}

// Not one byte of the archive has been read before this returns.
void confine(const std::filesystem::path& staging_dir) {
  sys::close_inherited_descriptors();
  sys::enter_private_root(staging_dir);
  sys::bound_resources({.file_bytes = Quota{}.file_bytes,
                        .memory_bytes = kUnpackMemoryBytes,
                        .cpu_seconds = kUnpackCpuSeconds,
                        .descriptors = kUnpackDescriptors});
  // chown: owners as the image says. dac_override: an entry may lie in a directory that its owner
  // may not write. fowner: mode and times of files given away. fsetid: setgid on them stays.
  // setfcap: capabilities of files stay, too. Without dac_read_search no file handle opens; without
  // mknod no device is made. What is made is seen by nobody but root: the store is closed, and a
  // container runs without new privileges.
  sys::keep_capabilities({sys::Capability::chown, sys::Capability::dac_override,
                          sys::Capability::fowner, sys::Capability::fsetid,
                          sys::Capability::setfcap});
  install_unpack_filter();
}

std::size_t read_some(char* buffer, std::size_t size) {
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, size);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) sys::throw_errno("read the archive");
  }
}

Quota read_quota() {
  char bytes[sizeof(Quota)];
  std::size_t filled = 0;
  while (filled < sizeof bytes) {
    const std::size_t n = read_some(bytes + filled, sizeof bytes - filled);
    if (n == 0) sys::throw_errno(EPIPE, "read the quota");
    filled += n;
  }
  Quota quota;
  std::memcpy(&quota, bytes, sizeof quota);
  return quota;
}

}  // namespace

int unpack_main(const std::string& staging_dir) {
  try {
    load_what_is_needed();
    const std::size_t jobs =
        std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kUnpackJobs);
    confine(staging_dir);
    const Quota quota = read_quota();
    make_directory_at(sys::open_directory("/").get(), "layers", S_IRWXU);
    std::vector<char> buffer(kReadBytes);
    const UnpackReport report =
        ImageUnpacker("/layers", quota, jobs).run([&buffer]() -> std::string_view {
          return {buffer.data(), read_some(buffer.data(), buffer.size())};
        });
    sys::write_all(STDOUT_FILENO, encode_report(report), "the report");
    return 0;
  } catch (const std::exception& error) {
    // The parent may have gone: then nobody is left to tell.
    try {
      sys::write_all(STDOUT_FILENO, encode_refusal(refusal_of(error)), "the refusal");
    } catch (const std::exception&) {
      return 2;
    }
    return 1;
  }
}

}  // namespace image
