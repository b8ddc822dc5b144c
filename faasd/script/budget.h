// Memory that many share, so that all of them together stay within it. Thread-safe, but a Share
// belongs to one thread at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace script {

// Perhaps a part of what more of them share.
class Budget {
 public:
  explicit Budget(std::size_t bytes, std::shared_ptr<Budget> whole = nullptr)
      : left_(bytes), whole_(std::move(whole)) {}

  // False if there is not so much left; then nothing is taken.
  bool take(std::size_t bytes) noexcept {
    std::size_t left = left_;
    while (left >= bytes) {
      if (!left_.compare_exchange_weak(left, left - bytes)) continue;
      if (!whole_ || whole_->take(bytes)) return true;
      left_ += bytes;
      return false;
    }
    return false;
  }
  void give_back(std::size_t bytes) noexcept {
    left_ += bytes;
    if (whole_) whole_->give_back(bytes);
  }

 private:
  std::atomic<std::size_t> left_;
  const std::shared_ptr<Budget> whole_;
};

// What one has of it, beyond what is its own and counts for nobody; given back at the end.
class Share {
 public:
  explicit Share(std::shared_ptr<Budget> budget, std::size_t own_bytes = 0)
      : budget_(std::move(budget)), own_(own_bytes) {}
  Share(Share&& other) noexcept
      : budget_(std::move(other.budget_)),
        own_(other.own_),
        taken_(std::exchange(other.taken_, 0)) {}
  Share& operator=(Share&&) = delete;
  ~Share() { give_back(); }

  // False if there is no room for so much more; then nothing is taken.
  bool take(std::size_t bytes) noexcept {
    if (!budget_->take(bytes)) return false;
    taken_ += bytes;
    return true;
  }
  // For so many bytes in all, as far as there are any; how many it may keep now.
  std::size_t grow_to(std::size_t bytes) noexcept {
    if (bytes > own_ + taken_) take(bytes - own_ - taken_);
    return own_ + taken_;
  }
  void give_back() noexcept {
    if (taken_ > 0) budget_->give_back(std::exchange(taken_, 0));
  }

 private:
  std::shared_ptr<Budget> budget_;
  std::size_t own_;
  std::size_t taken_ = 0;
};

}  // namespace script
