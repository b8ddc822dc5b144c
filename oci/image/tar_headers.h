// Walks the raw headers of a tar stream beside libarchive, and refuses what libarchive would mend
// in silence: owners that are negative or wrap (CVE class: uid 2^32 becomes 0), damaged PAX
// records, a NUL inside a PAX name, bytes after the end mark. It unpacks nothing and protects
// nothing by itself: the confined process does. Where it cannot follow (a hard link with data) it
// stops looking. Source: POSIX pax(1), GNU tar manual "Standard". Throws sys::Refused. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace image {

class TarHeaders {
 public:
  // `what` names the archive in messages.
  explicit TarHeaders(std::string what) : what_(std::move(what)) {}

  void feed(std::string_view bytes);

  // The end mark was seen, or could not be looked for.
  bool complete() const noexcept { return state_ == State::ended || state_ == State::lost; }

 private:
  enum class State { header, extension, skipping, collecting, ended, lost };

  void take_block();
  void take_header();
  void take_records();
  void take_record(std::string_view key, std::string_view value);
  void check_owner(std::string_view field, const char* which) const;
  void skip_data(std::uint64_t size);

  std::string what_;
  State state_ = State::header;
  std::array<char, 512> block_{};
  std::size_t filled_ = 0;
  std::uint64_t left_ = 0;       // bytes of the current body, padding included
  std::uint64_t body_size_ = 0;  // of a body that is collected
  std::uint64_t sparse_size_ = 0;
  std::string body_;
  bool has_size_ = false;  // a PAX record overrides the next header's size
  std::uint64_t pax_size_ = 0;
};

// Whether this is the first block of a tar archive: its checksum is right, or it is the end mark.
bool is_tar_block(std::string_view block);

}  // namespace image
