// A file descriptor that is owned: closed by the destructor, moved but never copied.
// Every descriptor of the daemon is born close-on-exec and lives in one of these; a raw int is a
// borrowed descriptor. Any thread, no locking.
#pragma once

#include <cstddef>

namespace sys {

class UniqueFd {
 public:
  UniqueFd() noexcept = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  // Gives up ownership without closing.
  int release() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1) noexcept;

 private:
  int fd_ = -1;
};

// A second descriptor (close-on-exec) of the same open file. Throws std::system_error.
UniqueFd duplicate(int fd);

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

// pipe2(2), both ends close-on-exec and blocking. Throws std::system_error.
Pipe make_pipe();

// For a daemon at its start: makes every descriptor but 0, 1 and 2 close-on-exec (what we were
// started with is no business of our children, close_range(2)), and raises the soft limit of open
// files to the hard one (each connection is a descriptor).
void prepare_descriptor_table() noexcept;

// Sets or clears O_NONBLOCK on the open file description. Throws std::system_error.
void set_nonblocking(int fd, bool nonblocking);
bool is_nonblocking(int fd);

// What one read(2) of a non-blocking descriptor gave: perhaps nothing yet, perhaps the end.
struct ReadResult {
  std::size_t bytes = 0;
  bool ended = false;  // end of the stream, or an error
};
ReadResult read_now(int fd, char* buffer, std::size_t size) noexcept;

}  // namespace sys
