#include "oci/sys/unique_fd.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

#include "oci/sys/error.h"

namespace sys {

void UniqueFd::reset(int fd) noexcept {
  // close(2) is never retried: on Linux the descriptor is gone even when it says EINTR.
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

UniqueFd duplicate(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) throw_errno("duplicate a file descriptor");
  return copy;
}

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("pipe2");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void prepare_descriptor_table() noexcept {
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void set_nonblocking(int fd, bool nonblocking) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) throw_errno("fcntl F_GETFL");
  const int wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (wanted != flags && ::fcntl(fd, F_SETFL, wanted) != 0) throw_errno("fcntl F_SETFL");
}

bool is_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) throw_errno("fcntl F_GETFL");
  return (flags & O_NONBLOCK) != 0;
}

ReadResult read_now(int fd, char* buffer, std::size_t size) noexcept {
  const ssize_t n = ::read(fd, buffer, size);
  if (n > 0) return {static_cast<std::size_t>(n), false};
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {0, false};
  return {0, true};
}

}  // namespace sys
