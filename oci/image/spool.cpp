#include "oci/image/spool.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "oci/image/tree.h"
#include "oci/sys/error.h"

namespace image {
namespace {

constexpr std::uint64_t kReadBytes = 256U << 10;

}  // namespace

Spool::Spool(int dir_fd, const SpoolBounds& bounds) : dir_fd_(dir_fd), bounds_(bounds) {}

bool Spool::put(std::string bytes) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return left_ || file_end_ == file_begin_ ||
           file_end_ - file_begin_ + bytes.size() <= bounds_.file_bytes;
  });
  if (left_) return false;
  // Only the reader empties the file, and it reads memory first: order is kept.
  if (file_begin_ == file_end_ && memory_bytes_ < bounds_.memory_bytes) {
    memory_bytes_ += bytes.size();
    memory_.push_back(std::move(bytes));
    changed_.notify_all();
    return true;
  }
  lock.unlock();
  put_in_file(bytes);
  lock.lock();
  file_end_ += bytes.size();
  changed_.notify_all();
  return true;
}

// The writer alone moves the file's end, so it may look at it without the lock.
void Spool::put_in_file(std::string_view bytes) {
  if (!file_) file_ = create_unnamed_file_at(dir_fd_);
  const std::uint64_t place = file_end_ % bounds_.file_bytes;
  const std::uint64_t before_wrap =
      std::min<std::uint64_t>(bytes.size(), bounds_.file_bytes - place);
  write_at(file_.get(), place, bytes.substr(0, before_wrap));
  write_at(file_.get(), 0, bytes.substr(before_wrap));
}

void Spool::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

std::string_view Spool::take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock,
                [&] { return left_ || closed_ || !memory_.empty() || file_begin_ != file_end_; });
  if (left_) sys::throw_errno(ECANCELED, "read a layer");
  if (!memory_.empty()) {
    taken_ = std::move(memory_.front());
    memory_.pop_front();
    memory_bytes_ -= taken_.size();
    return taken_;
  }
  const std::uint64_t place = file_begin_ % bounds_.file_bytes;
  const std::uint64_t size =
      std::min({file_end_ - file_begin_, bounds_.file_bytes - place, kReadBytes});
  if (size == 0) return {};
  lock.unlock();
  taken_.resize(size);
  read_at(file_.get(), place, taken_);
  lock.lock();
  file_begin_ += size;
  changed_.notify_all();
  return taken_;
}

void Spool::leave() {
  const std::lock_guard lock(mutex_);
  left_ = true;
  changed_.notify_all();
}

}  // namespace image
