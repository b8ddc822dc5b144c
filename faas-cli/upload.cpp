#include "faas-cli/upload.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <system_error>

#include "faas-cli/failure.h"
#include "faas-cli/terminal.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace cli {
namespace {

[[noreturn]] void unusable(const std::string& message) {
  throw Failure(ExitCode::usage, message);
}

}  // namespace

Upload::Upload(sys::UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) sys::throw_errno("stat " + name_);
  if (S_ISDIR(status.st_mode)) {
    unusable(name_ + " is a directory; a tarball as `docker save` writes it is needed");
  }
  if (!S_ISREG(status.st_mode)) return;
  const off_t position = ::lseek(fd_.get(), 0, SEEK_CUR);
  if (position < 0) sys::throw_errno("seek " + name_);
  const off_t rest = status.st_size > position ? status.st_size - position : 0;
  size_ = static_cast<std::uint64_t>(rest);
}

Upload Upload::open(const std::optional<std::string>& file, const std::string& function_name) {
  if (file && *file != "-") {
    sys::UniqueFd fd(::open(file->c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) unusable(*file + ": " + std::generic_category().message(errno));
    return Upload(std::move(fd), *file);
  }
  if (is_terminal(STDIN_FILENO)) {
    unusable("no tarball on stdin: docker save IMAGE | faas new " + function_name +
             ", or faas new " + function_name + " -f FILE");
  }
  try {
    return Upload(sys::duplicate(STDIN_FILENO), "stdin");
  } catch (const std::system_error& error) {
    unusable("stdin: " + std::string(error.what()));  // closed by the caller, for one
  }
}

int Upload::poll_fd() const noexcept {
  return first_ ? -1 : fd_.get();
}

void Upload::await_first_bytes() {
  char byte = 0;
  if (read_input(&byte, 1) == 0) {
    unusable(name_ + " is empty: the command that should have written the tarball wrote nothing " +
             "(does `docker save IMAGE` work alone?)");
  }
  first_ = byte;
}

std::size_t Upload::read(char* bytes, std::size_t size) {
  if (!first_) return read_input(bytes, size);
  *bytes = *first_;
  first_.reset();
  return 1;
}

std::size_t Upload::read_input(char* bytes, std::size_t size) {
  for (;;) {
    const ssize_t count = ::read(fd_.get(), bytes, size);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EAGAIN) {
      // Somebody else made the pipe non-blocking; the flag belongs to the open file, so it is ours.
      pollfd polled{fd_.get(), POLLIN, 0};
      ::poll(&polled, 1, -1);
    } else if (errno != EINTR) {
      unusable("cannot read " + name_ + ": " + std::generic_category().message(errno));
    }
  }
}

}  // namespace cli
