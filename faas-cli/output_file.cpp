#include "faas-cli/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "faas-cli/failure.h"
#include "faas-cli/terminal.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/random.h"

namespace cli {
namespace {

constexpr std::size_t kCopyBytes = 256U << 10;
constexpr mode_t kEverybody = 0666;  // less the umask
constexpr mode_t kPrivate = 0600;

// A link is followed: what it points at is replaced, not the link.
std::filesystem::path resolved(const std::string& file) {
  std::filesystem::path path(file);
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::symlink_status(path, error);
  if (!std::filesystem::exists(status)) return path;
  std::filesystem::path target = std::filesystem::canonical(path, error);
  if (error) throw_usage(file + ": " + error.message());
  if (!std::filesystem::is_regular_file(target)) {
    throw_usage(file + " is no regular file; `-o - > " + file + "` writes to it as it is");
  }
  return target;
}

}  // namespace

OutputFile OutputFile::open(const std::optional<std::string>& file, const std::string& hint) {
  if (!file || *file == "-") {
    if (is_terminal(STDOUT_FILENO)) throw_usage("a tarball is not for a terminal: " + hint);
    return temporary();
  }
  if (file->empty() || file->back() == '/') throw_usage("'" + *file + "' is no name of a file");
  OutputFile output(resolved(*file));
  output.name_ = *file;
  output.create(output.directory(), kEverybody);
  return output;
}

OutputFile OutputFile::temporary() {
  OutputFile output{std::filesystem::path()};
  const std::filesystem::path directory = std::filesystem::temp_directory_path();
  output.name_ = "a temporary file in " + directory.string() + " (TMPDIR names another place)";
  output.create(directory, kPrivate);
  return output;
}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

std::filesystem::path OutputFile::directory() const {
  if (is_stdout()) return {};
  return target_.has_parent_path() ? target_.parent_path() : ".";
}

void OutputFile::create(const std::filesystem::path& directory, mode_t mode) {
  fd_.reset(::open(directory.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, mode));
  if (fd_) return;
  if (errno != EOPNOTSUPP && errno != EISDIR) sys::throw_errno("write " + name_);
  const std::filesystem::path path = directory / (".faas-" + sys::random_hex(16));
  fd_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd_) sys::throw_errno("write " + name_);
  temporary_ = path;
}

void OutputFile::commit() {
  if (is_stdout()) return copy_to_stdout();
  if (temporary_.empty()) {
    const std::filesystem::path path =
        directory() / ("." + target_.filename().string().substr(0, 200) + "." + sys::random_hex(8));
    const std::string unnamed = "/proc/self/fd/" + std::to_string(fd_.get());
    if (::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      sys::throw_errno("write " + name_);
    }
    temporary_ = path;
  }
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) sys::throw_errno("write " + name_);
  temporary_.clear();
}

void OutputFile::copy_to_stdout() const {
  if (::lseek(fd_.get(), 0, SEEK_SET) != 0) sys::throw_errno("seek " + name_);
  std::vector<char> buffer(kCopyBytes);
  for (;;) {
    const ssize_t n = ::read(fd_.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) sys::throw_errno("read " + name_);
    if (n == 0) return;
    sys::write_all(STDOUT_FILENO, {buffer.data(), static_cast<std::size_t>(n)}, "stdout");
  }
}

}  // namespace cli
