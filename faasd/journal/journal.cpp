#include "faasd/journal/journal.h"

#include "faasd/function/bounds.h"
#include "oci/sys/file.h"

namespace journal {

using function::bounds::kJournalFileBytes;
using function::bounds::kJournalPatience;
using function::bounds::kMaxWaitingOutputBytes;
using function::bounds::kMaxWaitingRecordBytes;

Book::Book(Scribe& scribe, const std::filesystem::path& directory)
    : scribe_(scribe),
      receipts_(std::make_shared<Series>(directory, "receipts", kJournalFileBytes)),
      output_(std::make_shared<Series>(directory, "output", kJournalFileBytes)) {}

void Book::add(Kind kind, std::size_t bytes, Scribe::Maker maker) {
  const std::size_t bound =
      kind == Kind::receipts ? kMaxWaitingRecordBytes : kMaxWaitingOutputBytes;
  scribe_.hand_in(series(kind), bytes, bound, std::move(maker));
}

std::vector<std::string> Book::tail(Kind kind, std::size_t count) {
  scribe_.wait(kJournalPatience);
  return series(kind)->tail(count);
}

std::shared_ptr<Follower> Book::follow(Kind kind, std::size_t count, std::uint64_t after) {
  scribe_.wait(kJournalPatience);
  return series(kind)->follow(count, after);
}

void Book::close() {
  receipts_->close();
  output_->close();
}

Journal::Journal(const std::filesystem::path& state_dir, const sys::Log& log)
    : directory_(state_dir / "journal"), scribe_(log) {
  sys::make_directory(directory_, 0700);
}

std::shared_ptr<Book> Journal::book(const std::string& function) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Book>& book = books_[function];
  if (!book) book = std::make_shared<Book>(scribe_, directory_ / function);
  return book;
}

void Journal::remove(const std::string& function) {
  const std::lock_guard lock(mutex_);
  const auto found = books_.find(function);
  if (found != books_.end()) found->second->close();
  books_.erase(function);
  sys::remove_tree(directory_ / function);
}

void Journal::keep_only(const std::set<std::string>& functions) {
  for (const std::string& name : sys::list_directory(directory_)) {
    if (!functions.contains(name)) remove(name);
  }
}

}  // namespace journal
