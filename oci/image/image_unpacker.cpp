#include "oci/image/image_unpacker.h"

#include <algorithm>
#include <array>
#include <utility>

#include "oci/image/archive_members.h"
#include "oci/image/entry_path.h"
#include "oci/image/refusal.h"
#include "oci/sys/file.h"

namespace image {
namespace {

constexpr std::string_view kManifest = "manifest.json";
constexpr std::size_t kReadBytes = 64U << 10;  // a pipe's worth
constexpr std::size_t kSniffBytes = 512;       // one tar block

enum class Kind { layer, document, other };

// What a member is, by its first bytes: names differ between the programs that write images.
Kind kind_of(const std::string& path, std::string_view begin) {
  if (path == kManifest) return Kind::document;
  if (is_tar_block(begin)) return Kind::layer;
  if (is_compressed(begin)) return Kind::layer;
  const std::size_t first = begin.find_first_not_of(" \t\r\n");
  const bool is_json =
      first != std::string_view::npos && (begin[first] == '{' || begin[first] == '[');
  if (path.ends_with(".tar") || path.ends_with(".tar.gz")) return Kind::layer;
  return is_json ? Kind::document : Kind::other;
}

// Where layouts keep layers and documents: at the top, in blobs/<algorithm>/, and <id>/layer.tar.
bool is_image_member(const std::vector<std::string>& components) {
  if (components.size() == 1) return true;
  if (components.size() == 2) return components[1] == "layer.tar";
  return components.size() == 3 && components[0] == "blobs";
}

}  // namespace

ImageUnpacker::ImageUnpacker(const std::filesystem::path& layers, const Quota& quota,
                             std::size_t jobs)
    : quota_(quota), jobs_(jobs), workshop_{layers, sys::open_directory(layers), quota, {}} {}

UnpackReport ImageUnpacker::run(TarStream::Source source) {
  TarStream archive("the archive", TarStream::Role::upload, std::move(source), quota_,
                    archive_bytes_);
  archive_ = &archive;
  while (const std::optional<Entry> entry = archive.next()) take(*entry);
  if (archive.entries() == 0 && archive_bytes_ == 0) {
    refuse("empty_body", "the body is empty; send the tarball that docker save writes");
  }
  while (!running_.empty()) finish_oldest_layer();
  report_.has_end_mark = archive.has_end_mark();
  report_.special_files = workshop_.budget.special_files;
  report_.attributes = workshop_.budget.attributes;
  return std::move(report_);
}

void ImageUnpacker::take(const Entry& entry) {
  if (archive_->entries() > quota_.archive_members) {
    refuse_too_large("the archive", quota_.archive_members, "members");
  }
  const std::vector<std::string> components = split_entry_path(entry.path, quota_);
  const std::string path = join_path(components);
  notice_root_filesystem(components);
  switch (entry.type) {
    case Entry::Type::file:
      if (is_image_member(components)) take_file(path);
      return;
    case Entry::Type::symlink:
    case Entry::Type::hard_link:
      if (is_image_member(components)) {
        report_.links[path] =
            linked_path(path, entry.link,
                        entry.type == Entry::Type::symlink ? LinkKind::symbolic : LinkKind::hard);
      }
      return;
    case Entry::Type::directory:
    case Entry::Type::special:
      return;
  }
}

// `docker export` and other tars of a root filesystem have no manifest; there is no need to wait
// for their last byte to say so.
void ImageUnpacker::notice_root_filesystem(const std::vector<std::string>& components) {
  static constexpr std::array<std::string_view, 10> kRootNames = {
      "bin", "dev", "etc", "home", "lib", "proc", "root", "sbin", "usr", "var"};
  constexpr std::size_t kEnough = 3;
  if (components.empty() ||
      std::find(kRootNames.begin(), kRootNames.end(), components[0]) == kRootNames.end()) {
    return;
  }
  root_names_.insert(components[0]);
  if (root_names_.size() < kEnough) return;
  refuse("not_an_image",
         "this is a root filesystem (the output of `docker export`?), not an image: use "
         "`docker save`, or make an image of it with `docker import`");
}

void ImageUnpacker::take_file(const std::string& path) {
  std::array<char, kSniffBytes> buffer{};
  std::size_t filled = 0;
  while (filled < buffer.size()) {
    const std::size_t n = archive_->read(buffer.data() + filled, buffer.size() - filled);
    if (n == 0) break;
    filled += n;
  }
  const std::string_view begin(buffer.data(), filled);
  report_.links.erase(path);
  switch (kind_of(path, begin)) {
    case Kind::layer:
      return take_layer(path, begin);
    case Kind::document:
      return take_document(path, begin);
    case Kind::other:
      return;
  }
}

void ImageUnpacker::take_layer(const std::string& path, std::string_view begin) {
  if (next_directory_ >= quota_.layers) refuse_too_large("the image", quota_.layers, "layers");
  while (running_.size() >= jobs_) finish_oldest_layer();
  running_.push_back(
      std::make_unique<LayerJob>(workshop_, path, std::to_string(next_directory_++)));
  LayerJob& job = *running_.back();
  for (std::string bytes(begin); !bytes.empty(); bytes = read_piece()) {
    if (job.put(std::move(bytes))) continue;
    // Whatever an older layer has to say comes first, whichever thread was faster.
    while (!running_.empty()) finish_oldest_layer();
    refuse("bad_layer", "the layer '" + printable(path) + "' goes on behind its end");
  }
  job.close();
}

std::string ImageUnpacker::read_piece() {
  std::string bytes(kReadBytes, '\0');
  bytes.resize(archive_->read(bytes.data(), bytes.size()));
  return bytes;
}

void ImageUnpacker::finish_oldest_layer() {
  const std::unique_ptr<LayerJob> job = std::move(running_.front());
  running_.pop_front();
  UnpackedLayer layer = job->wait();
  // The last member of a name is the one that counts, as everywhere in tar.
  std::erase_if(report_.layers,
                [&](const UnpackedLayer& other) { return other.path == layer.path; });
  report_.layers.push_back(std::move(layer));
}

// Some documents are of no concern here (a bill of materials has megabytes): one that is too large
// is only then missed when the image needs it.
void ImageUnpacker::take_document(const std::string& path, std::string_view begin) {
  std::string document(begin);
  std::string bytes(kReadBytes, '\0');
  report_.documents.erase(path);
  report_.oversized.erase(path);
  while (const std::size_t n = archive_->read(bytes.data(), bytes.size())) {
    if (document.size() + n > quota_.document_bytes) {
      report_.oversized.insert(path);
      return;
    }
    document.append(bytes, 0, n);
  }
  documents_bytes_ += document.size();
  if (documents_bytes_ > quota_.documents_bytes) {
    refuse_too_large("the archive", quota_.documents_bytes, "bytes of JSON");
  }
  report_.documents[path] = std::move(document);
}

}  // namespace image
