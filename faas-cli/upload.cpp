#include "faas-cli/upload.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <filesystem>
#include <system_error>

#include "faas-cli/failure.h"
#include "faas-cli/image_directory.h"
#include "faas-cli/terminal.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace cli {

Upload::Upload(sys::UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) sys::throw_errno("stat " + name_);
  if (S_ISDIR(status.st_mode)) {
    throw_usage(name_ + " is a directory; name it with -f, or send a tarball");
  }
  if (!S_ISREG(status.st_mode)) return;
  const off_t position = ::lseek(fd_.get(), 0, SEEK_CUR);
  if (position < 0) sys::throw_errno("seek " + name_);
  const off_t rest = status.st_size > position ? status.st_size - position : 0;
  size_ = static_cast<std::uint64_t>(rest);
  index_ = image::index_tar(fd_.get());
}

Upload Upload::open_directory(const std::string& path) {
  Upload upload(sys::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)), path);
  try {
    upload.index_ = image::index_layout(path);
  } catch (const std::exception& error) {
    throw_usage(path + ": " + error.what());
  }
  if (!upload.index_) refuse_directory(path);
  std::vector<const image::ArchiveMember*> all;
  for (const image::ArchiveMember& member : upload.index_->members) all.push_back(&member);
  upload.send_only(all);
  return upload;
}

Upload Upload::open(const std::optional<std::string>& file, const std::string& function_name) {
  if (file && file->empty()) throw_usage("--file is empty; name a tarball or a directory");
  if (file && *file != "-") {
    std::error_code unreachable;  // open(2) says why
    if (std::filesystem::is_directory(*file, unreachable)) return open_directory(*file);
    refuse_part_of_layout(*file);
    sys::UniqueFd fd(::open(file->c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) throw_usage(*file + ": " + std::generic_category().message(errno));
    return Upload(std::move(fd), *file);
  }
  if (is_terminal(STDIN_FILENO)) {
    throw_usage("no tarball on stdin: docker save IMAGE | faas new " + function_name +
                ", or faas new " + function_name + " -f FILE");
  }
  try {
    return Upload(sys::duplicate(STDIN_FILENO), "stdin");
  } catch (const std::system_error& error) {
    throw_usage("stdin: " + std::string(error.what()));  // closed by the caller, for one
  }
}

Upload Upload::take(sys::UniqueFd fd, const std::string& name) {
  return Upload(std::move(fd), name);
}

void Upload::send_only(const std::vector<const image::ArchiveMember*>& members) {
  pieces_.emplace();
  for (const image::ArchiveMember* member : members) {
    pieces_->insert(pieces_->end(), member->pieces.begin(), member->pieces.end());
  }
  pieces_->push_back(image::ArchiveIndex::end_mark());
  size_ = 0;
  for (const image::ArchivePiece& piece : *pieces_) *size_ += piece.size;
}

int Upload::poll_fd() const noexcept {
  return first_ ? -1 : fd_.get();
}

void Upload::await_first_bytes() {
  char byte = 0;
  if (read_input(&byte, 1) == 0) {
    throw_usage(name_ +
                " is empty: the command that should have written the tarball wrote nothing " +
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

std::size_t Upload::read_pieces(char* bytes, std::size_t size) {
  while (!pieces_->empty() && pieces_->front().size == 0) {
    pieces_->pop_front();
    piece_fd_.reset();
  }
  if (pieces_->empty()) return 0;
  image::ArchivePiece& piece = pieces_->front();
  const std::size_t count = read_piece(bytes, std::min<std::uint64_t>(size, piece.size));
  if (count == 0) throw_usage(name_ + " got shorter while it was read");
  piece.offset += count;
  piece.size -= count;
  return count;
}

std::size_t Upload::read_piece(char* bytes, std::size_t size) {
  const image::ArchivePiece& piece = pieces_->front();
  if (!piece.bytes.empty()) return piece.bytes.copy(bytes, size, piece.offset);
  if (!piece.file.empty() && !piece_fd_) {
    piece_fd_ = sys::UniqueFd(::open(piece.file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!piece_fd_) {
      throw_usage(piece.file.string() + ": " + std::generic_category().message(errno));
    }
  }
  const int fd = piece.file.empty() ? fd_.get() : piece_fd_.get();
  for (;;) {
    const ssize_t count = ::pread(fd, bytes, size, static_cast<off_t>(piece.offset));
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) {
      throw_usage("cannot read " + name_ + ": " + std::generic_category().message(errno));
    }
  }
}

std::size_t Upload::read_input(char* bytes, std::size_t size) {
  if (pieces_) return read_pieces(bytes, size);
  for (;;) {
    const ssize_t count = ::read(fd_.get(), bytes, size);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EAGAIN) {
      // Somebody else made the pipe non-blocking; the flag belongs to the open file, so it is ours.
      pollfd polled{fd_.get(), POLLIN, 0};
      ::poll(&polled, 1, -1);
    } else if (errno != EINTR) {
      throw_usage("cannot read " + name_ + ": " + std::generic_category().message(errno));
    }
  }
}

}  // namespace cli
