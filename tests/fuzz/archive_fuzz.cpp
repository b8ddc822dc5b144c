// Drives: TarStream (oci/image/archive.h), as an upload and as a layer, with everything that lies
// under it: decompression, TarHeaders, the hashes. All entries and all their content are read,
// once by blocks and once with holes filled in.
// Aborts if: a stream that is accepted is accepted differently when it comes in other pieces; an
// accepted layer's compressed_hex is not the SHA-256 of what was sent; more comes out than the
// quota allows; an entry has no name, or an owner that no system can store.
#include <algorithm>
#include <atomic>
#include <optional>
#include <vector>

#include "oci/image/archive.h"
#include "oci/image/digest.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using image::TarStream;

// Small, so that an input of some kilobytes can go over each of them.
image::Quota small_quota() {
  image::Quota quota;
  quota.stream_bytes = 1U << 20;
  quota.file_bytes = 256U << 10;
  quota.compression_ratio = 50;
  quota.ratio_free_bytes = 64U << 10;
  return quota;
}

struct Reading {
  fuzz::Outcome outcome;
  std::vector<std::string> entries;  // name, link, type, owner, mode, size, digest of the content
  std::string compressed_hex;
  std::string diff_hex;
};

class Reader {
 public:
  Reader(std::string_view input, TarStream::Role role, std::size_t piece, bool by_blocks)
      : input_(input),
        role_(role),
        piece_(piece),
        by_blocks_(by_blocks),
        quota_(small_quota()),
        stream_(
            "the archive", role, [this] { return take(); }, quota_, inflated_) {}

  Reading read() {
    Reading reading;
    reading.outcome = fuzz::outcome_of([&] {
      while (const std::optional<image::Entry> entry = stream_.next()) {
        reading.entries.push_back(describe(*entry));
      }
      reading.compressed_hex = stream_.compressed_hex();
      reading.diff_hex = stream_.diff_hex();
      fuzz::require(at_ == input_.size(), "an accepted archive has been read to its end");
      fuzz::require(inflated_ <= quota_.stream_bytes, "no more comes out than the quota allows");
    });
    return reading;
  }

 private:
  // The unpacker sniffs 512 bytes of a layer before it opens it, so that much comes at once.
  std::string_view take() {
    const bool first_of_layer = at_ == 0 && role_ == TarStream::Role::layer;
    const std::size_t size = first_of_layer ? std::max<std::size_t>(piece_, 512) : piece_;
    const std::string_view piece = input_.substr(at_, size);
    at_ += piece.size();
    return piece;
  }

  std::string describe(const image::Entry& entry) {
    fuzz::require(!entry.path.empty(), "an entry has a name");
    fuzz::require(entry.uid != ~uid_t{0} && entry.gid != ~gid_t{0}, "an owner can be stored");
    fuzz::require((entry.mode & ~07777U) == 0, "a mode has permission bits only");
    fuzz::require(entry.mtime.tv_nsec >= 0 && entry.mtime.tv_nsec < 1'000'000'000,
                  "nanoseconds are less than a second");
    std::string text = entry.path + "\n" + entry.link + "\n";
    for (const std::uint64_t number :
         {std::uint64_t{entry.uid}, std::uint64_t{entry.gid}, std::uint64_t{entry.mode}, entry.size,
          static_cast<std::uint64_t>(entry.type), std::uint64_t{entry.xattrs.size()}}) {
      text += std::to_string(number) + " ";
    }
    return text + (by_blocks_ ? content_by_blocks() : content_with_holes(entry.size));
  }

  std::string content_by_blocks() {
    image::Sha256 sum;
    std::uint64_t bytes = 0;
    while (const std::optional<image::Block> block = stream_.next_block()) {
      bytes += block->bytes.size();
      fuzz::require(bytes <= quota_.stream_bytes, "a file's content comes out of the stream");
      sum.update(block->bytes);
    }
    return sum.finish_hex();
  }

  // Holes cost nothing to write and everything to read: as in the unpacker, a bound ends it.
  std::string content_with_holes(std::uint64_t stated) {
    image::Sha256 sum;
    std::array<char, 4096> buffer{};
    for (std::uint64_t bytes = 0; bytes < std::min(stated, quota_.file_bytes);) {
      const std::size_t n = stream_.read(buffer.data(), buffer.size());
      if (n == 0) break;
      fuzz::require(n <= buffer.size(), "a read fits its buffer");
      sum.update({buffer.data(), n});
      bytes += n;
    }
    return sum.finish_hex();
  }

  std::string_view input_;
  std::size_t at_ = 0;
  const TarStream::Role role_;
  const std::size_t piece_;
  const bool by_blocks_;
  const image::Quota quota_;
  std::atomic<std::uint64_t> inflated_ = 0;
  TarStream stream_;
};

// Where the pieces fall changes when a quota is noticed, and for a stream that is refused anyway,
// which of its faults is seen first.
void require_same(const Reading& whole, const Reading& pieces) {
  if (whole.outcome.code == "too_large" || pieces.outcome.code == "too_large") return;
  fuzz::require(whole.outcome.accepted == pieces.outcome.accepted,
                "pieces make no difference: '" + whole.outcome.code + "', in pieces '" +
                    pieces.outcome.code + "'");
  if (!whole.outcome.accepted) return;
  fuzz::require(whole.entries == pieces.entries, "pieces make no difference to the entries");
  fuzz::require(whole.diff_hex == pieces.diff_hex, "pieces make no difference to the digest");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  constexpr std::array<std::size_t, 4> kPieces = {61, 509, 512, 4099};
  const std::string_view input = fuzz::text_of(bytes, size);
  const std::size_t piece = kPieces.at(size % kPieces.size());

  const Reading upload = Reader(input, TarStream::Role::upload, size + 1, false).read();
  require_same(upload, Reader(input, TarStream::Role::upload, piece, false).read());

  const Reading layer = Reader(input, TarStream::Role::layer, size + 1, true).read();
  require_same(layer, Reader(input, TarStream::Role::layer, piece, true).read());
  if (layer.outcome.accepted) {
    fuzz::require(layer.compressed_hex == image::sha256_hex(input),
                  "compressed_hex is the digest of what was sent");
  }
  return 0;
}
