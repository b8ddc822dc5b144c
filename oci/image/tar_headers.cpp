#include "oci/image/tar_headers.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "oci/image/quota.h"
#include "oci/image/refusal.h"

namespace image {
namespace {

constexpr std::size_t kBlock = 512;
// The largest owner: 2^32-1 means "leave it" to chown(2).
constexpr std::uint64_t kLargestOwner = 0xFFFFFFFEU;

struct Field {
  std::size_t offset;
  std::size_t size;
};
constexpr Field kUid{108, 8};
constexpr Field kGid{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kChecksum{148, 8};
constexpr std::size_t kType = 156;
constexpr Field kMagic{257, 8};
// GNU's old sparse format: a map in the header, continued in further blocks.
constexpr std::size_t kGnuSparseMap = 386;
constexpr std::size_t kGnuExtended = 482;
constexpr std::size_t kGnuExtendedInBlock = 504;

std::string_view text_of(std::string_view block, Field field) {
  return block.substr(field.offset, field.size);
}

bool is_base256(std::string_view field) {
  return (static_cast<unsigned char>(field.front()) & 0x80U) != 0;
}

// The number in a header field; empty when it is negative or does not fit.
bool parse_number(std::string_view field, std::uint64_t& value) {
  value = 0;
  if (!is_base256(field)) {
    while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
    for (const char c : field) {
      if (c < '0' || c > '7') break;
      value = value << 3 | static_cast<std::uint64_t>(c - '0');
    }
    return true;
  }
  if ((static_cast<unsigned char>(field.front()) & 0x40U) != 0) return false;
  for (std::size_t i = 0; i < field.size(); ++i) {
    const auto byte = static_cast<unsigned char>(i == 0 ? field[i] & 0x3f : field[i]);
    if (value > std::numeric_limits<std::uint64_t>::max() >> 8) return false;
    value = value << 8 | byte;
  }
  return value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
}

bool is_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\0'; });
}

std::uint64_t padded(std::uint64_t size) {
  return (size + kBlock - 1) / kBlock * kBlock;
}

}  // namespace

bool is_tar_block(std::string_view block) {
  if (block.size() < kBlock) return false;
  block = block.substr(0, kBlock);
  if (is_zero(block)) return true;
  std::uint64_t stated = 0;
  if (is_base256(text_of(block, kChecksum)) || !parse_number(text_of(block, kChecksum), stated)) {
    return false;
  }
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const bool own = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    sum += own ? ' ' : static_cast<unsigned char>(block[i]);
  }
  return sum == stated;
}

void TarHeaders::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    switch (state_) {
      case State::lost:
        return;
      case State::ended:
        if (!is_zero(bytes)) {
          refuse("trailing_garbage",
                 what_ + " goes on behind its end mark: send one archive, whole");
        }
        return;
      case State::header:
      case State::extension: {
        const std::size_t n = std::min(kBlock - filled_, bytes.size());
        std::copy_n(bytes.data(), n, block_.data() + filled_);
        filled_ += n;
        bytes.remove_prefix(n);
        if (filled_ == kBlock) take_block();
        break;
      }
      case State::skipping:
      case State::collecting: {
        const std::size_t n =
            static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
        if (state_ == State::collecting) body_.append(bytes.substr(0, n));
        bytes.remove_prefix(n);
        left_ -= n;
        if (left_ != 0) break;
        if (state_ == State::collecting) take_records();
        state_ = State::header;
        break;
      }
    }
  }
}

void TarHeaders::take_block() {
  filled_ = 0;
  if (state_ == State::extension) {
    if (block_[kGnuExtendedInBlock] == 0) skip_data(sparse_size_);
    return;
  }
  if (is_zero({block_.data(), kBlock})) {
    state_ = State::ended;
  } else if (!is_tar_block({block_.data(), kBlock})) {
    state_ = State::lost;  // libarchive says what is wrong with it
  } else {
    take_header();
  }
}

void TarHeaders::take_header() {
  const std::string_view block(block_.data(), kBlock);
  const char type = block[kType];
  std::uint64_t size = 0;
  if (!parse_number(text_of(block, kSize), size)) {
    refuse("bad_archive", what_ + " has an entry with a negative or absurd size");
  }
  if (type == 'x' || type == 'g' || type == 'X') {
    if (size > kSpecialHeaderBytes) {
      refuse("bad_archive", what_ + " has a PAX header of more than " +
                                std::to_string(kSpecialHeaderBytes) + " bytes");
    }
    body_.clear();
    body_size_ = size;
    left_ = padded(size);
    has_size_ = false;
    if (left_ != 0) state_ = State::collecting;
    return;
  }
  if (type == 'L' || type == 'K' || type == 'A') {
    skip_data(size);
    return;
  }
  check_owner(text_of(block, kUid), "uid");
  check_owner(text_of(block, kGid), "gid");
  const bool has_size = has_size_;
  has_size_ = false;
  const bool bodiless = type >= '2' && type <= '6';
  if ((bodiless && has_size && pax_size_ != 0) || ((type == '1' || type == 'V') && size != 0)) {
    state_ = State::lost;
    return;
  }
  if (bodiless) size = 0;
  if (has_size) size = pax_size_;
  const bool gnu = text_of(block, kMagic) == std::string_view("ustar  \0", 8);
  if (gnu && block[kGnuSparseMap] != 0 && block[kGnuExtended] != 0) {
    sparse_size_ = size;
    state_ = State::extension;
    return;
  }
  skip_data(size);
}

void TarHeaders::skip_data(std::uint64_t size) {
  left_ = padded(size);
  state_ = left_ == 0 ? State::header : State::skipping;
}

void TarHeaders::check_owner(std::string_view field, const char* which) const {
  std::uint64_t value = 0;
  if (!parse_number(field, value) || value > kLargestOwner) {
    refuse("bad_owner", what_ + " has an entry whose " + which +
                            " is negative or above 4294967294, which no system can store");
  }
}

// "LENGTH KEY=VALUE\n" again and again; LENGTH counts the whole record.
void TarHeaders::take_records() {
  std::string_view rest(body_.data(), static_cast<std::size_t>(body_size_));
  while (!rest.empty() && rest.front() != '\0') {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), length);
    const auto digits = static_cast<std::size_t>(end - rest.data());
    const bool framed = error == std::errc() && length > digits + 1 && length <= rest.size() &&
                        rest[digits] == ' ' && rest[length - 1] == '\n';
    const std::string_view record =
        framed ? rest.substr(digits + 1, length - digits - 2) : std::string_view{};
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      refuse("bad_archive", what_ + " has a damaged PAX header");
    }
    take_record(record.substr(0, equals), record.substr(equals + 1));
    rest.remove_prefix(length);
  }
}

void TarHeaders::take_record(std::string_view key, std::string_view value) {
  if (key == "path" || key == "linkpath" || key == "GNU.sparse.name") {
    if (value.find('\0') != std::string_view::npos) {
      refuse("bad_name", what_ + " has a name with a NUL byte: '" + printable(value) + "'");
    }
  }
  if ((key == "uid" || key == "gid" || key == "size") && !value.empty()) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool whole = error == std::errc() && end == value.data() + value.size();
    if (key == "size") {
      if (!whole || number > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
        refuse("bad_archive", what_ + " has an entry of size '" + printable(value) + "'");
      }
      has_size_ = block_[kType] != 'g';
      pax_size_ = number;
    } else if (!whole || number > kLargestOwner) {
      refuse("bad_owner", what_ + " has an entry with the " + std::string(key) + " '" +
                              printable(value) + "'; it must be from 0 to 4294967294");
    }
  }
}

}  // namespace image
