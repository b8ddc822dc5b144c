#include "handlers/execute/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "oci/sys/error.h"
#include "oci/sys/unique_fd.h"

namespace execute {
namespace {

[[noreturn]] void fail(const std::string& what) {
  const int error = errno;
  if (error == ENOSPC || error == EDQUOT) {
    throw BadRequest(413, "no_space", "the files have no room in /tmp");
  }
  sys::throw_errno(error, what);
}

void make_directories_above(const std::string& name) {
  for (std::size_t at = name.find('/'); at != std::string::npos; at = name.find('/', at + 1)) {
    const std::string directory = name.substr(0, at);
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) fail("mkdir " + directory);
  }
}

void write_file(const File& file) {
  make_directories_above(file.name);
  const sys::UniqueFd fd(
      ::open(file.name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!fd) fail("create " + file.name);
  for (std::size_t at = 0; at < file.content.size();) {
    const ssize_t n = ::write(fd.get(), file.content.data() + at, file.content.size() - at);
    if (n < 0 && errno != EINTR) fail("write " + file.name);
    if (n > 0) at += static_cast<std::size_t>(n);
  }
}

}  // namespace

void write_files(const std::vector<File>& files, const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0) fail("mkdir " + directory);
  if (::chdir(directory.c_str()) != 0) sys::throw_errno("chdir " + directory);
  for (const File& file : files) write_file(file);
}

void choose_home() {
  const char* home = std::getenv("HOME");
  if (!home || ::access(home, W_OK | X_OK) != 0) ::setenv("HOME", "/tmp", 1);
}

}  // namespace execute
