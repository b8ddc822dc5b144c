#include "oci/image/image_catalog.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "oci/image/digest.h"
#include "oci/image/image_record.h"
#include "oci/image/quota.h"
#include "oci/image/tree_sharing.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/random.h"

namespace image {
namespace {

constexpr mode_t kPrivate = 0700;

constexpr std::size_t kTreeNameBytes = 8;

constexpr const char* kDigestPrefix = "sha256:";

std::string hex_name(const std::string& digest) {
  return std::string(hex_of_digest(digest));
}

std::optional<std::uint64_t> number_of(const std::string& name) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

// Of two images, from the lowest up.
std::size_t common_layers(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  const auto [end, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::size_t>(std::distance(a.begin(), end));
}

// What is called otherwise is none of ours.
std::vector<std::string> hexes_in(const std::filesystem::path& directory) {
  std::vector<std::string> names = sys::list_directory(directory);
  std::erase_if(names, [](const std::string& name) { return !is_sha256_hex(name); });
  return names;
}

void check_trees(const Image& image) {
  const auto check = [](const std::filesystem::path& directory) {
    if (std::filesystem::is_directory(std::filesystem::symlink_status(directory))) return;
    throw sys::Refused(sys::Refusal::failed, "corrupt_image",
                       "its root filesystem is not whole: there is no " + directory.string());
  };
  check(image.rootfs);
  for (const Graft& graft : image.grafts) check(graft.tree / graft.path);
}

}  // namespace

ImageCatalog::ImageCatalog(const std::filesystem::path& state_dir, const sys::Log& log)
    : layers_(state_dir / "layers"),
      trees_(state_dir / "trees"),
      images_(state_dir / "images"),
      staging_(state_dir / "staging"),
      log_(log) {
  for (const auto& directory : {layers_, trees_, images_, staging_}) {
    sys::make_directory(directory, kPrivate);
  }
  throw_away_leftovers();
  load_images();
  remover_ = std::thread([this] { remove_trash(); });
}

// What a crash left, or the last stop: removing it may take minutes, and nobody has to wait for it.
void ImageCatalog::throw_away_leftovers() {
  for (const std::string& name : sys::list_directory(staging_)) {
    next_name_ = std::max(next_name_, number_of(name).value_or(0) + 1);
    trash_.push_back({staging_ / name, nullptr, {}});
  }
}

ImageCatalog::~ImageCatalog() {
  stop();
}

void ImageCatalog::load_images() {
  const std::lock_guard lock(mutex_);
  for (const std::string& name : hexes_in(images_)) load_image(name);
  take_away_unused_trees(nullptr);
  take_away_unused_layers(nullptr);
}

// One that cannot be read stays where it is, for people to look at; an import of it takes its
// place, and `collect` removes it.
void ImageCatalog::load_image(const std::string& name) {
  try {
    ImageRecord record = decode_image_record(
        sys::read_file(images_ / name / "image.json", kImageRecordBytes), trees_);
    if (hex_name(record.image.digest) != name) {
      throw sys::Refused(sys::Refusal::failed, "corrupt_image", "image.json is of another image");
    }
    check_trees(record.image);
    Known known;
    known.image = std::move(record.image);
    known.layers = std::move(record.layers);
    known_.emplace(known.image.digest, std::move(known));
  } catch (const std::exception& error) {
    log_.error("image_set_aside", {{"image", name}, {"error", error.what()}});
  }
}

std::filesystem::path ImageCatalog::make_staging_directory() {
  const std::lock_guard lock(mutex_);
  std::filesystem::path path = staging_ / std::to_string(next_name_++);
  sys::make_directory(path, kPrivate);
  return path;
}

void ImageCatalog::discard(const std::filesystem::path& staging_directory) {
  const std::lock_guard lock(mutex_);
  trash_.push_back({staging_directory, nullptr, {}});
  changed_.notify_all();
}

std::filesystem::path ImageCatalog::layer_path(const std::string& diff_hex) const {
  return layers_ / diff_hex;
}

std::filesystem::path ImageCatalog::new_tree_path() const {
  return trees_ / sys::random_hex(kTreeNameBytes);
}

std::shared_ptr<const Image> ImageCatalog::nearest(const std::vector<std::string>& diff_hexes) {
  const std::lock_guard lock(mutex_);
  Known* nearest = nullptr;
  std::size_t most = 0;
  for (auto& [digest, known] : known_) {
    const std::size_t common = known.released ? 0 : common_layers(known.layers, diff_hexes);
    if (common <= most) continue;
    nearest = &known;
    most = common;
  }
  return nearest != nullptr ? hand_out(*nearest) : nullptr;
}

ImageCatalog::LayerPins::LayerPins(std::shared_ptr<ImageCatalog> catalog,
                                   const std::vector<std::string>& diff_hexes)
    : catalog_(std::move(catalog)) {
  const std::lock_guard lock(catalog_->mutex_);
  for (const std::string& hex : diff_hexes) {
    if (!std::filesystem::exists(catalog_->layers_ / hex)) continue;
    if (pinned_.insert(hex).second) ++catalog_->pins_[hex];
  }
}

ImageCatalog::LayerPins::~LayerPins() {
  catalog_->unpin(pinned_);
}

void ImageCatalog::unpin(const std::set<std::string>& diff_hexes) noexcept {
  const std::lock_guard lock(mutex_);
  for (const std::string& hex : diff_hexes) {
    if (--pins_[hex] == 0) pins_.erase(hex);
  }
  try {
    // The image that they belonged to may have gone meanwhile.
    retire_unused_layers({diff_hexes.begin(), diff_hexes.end()});
  } catch (const std::exception& error) {
    log_.error("layer_not_removed", {{"error", error.what()}});
  }
}

std::shared_ptr<const Image> ImageCatalog::publish(Candidate candidate) {
  const std::string digest = candidate.image.digest;
  const std::lock_guard lock(mutex_);
  if (const auto found = known_.find(digest); found != known_.end()) return hand_out(found->second);
  try {
    for (const auto& [hex, path] : candidate.staged_layers) {
      if (!std::filesystem::exists(layers_ / hex)) std::filesystem::rename(path, layers_ / hex);
    }
    sys::sync_directory(layers_);
    std::filesystem::rename(candidate.tree, candidate.image.rootfs);
    sys::sync_directory(trees_);
    const std::filesystem::path home = images_ / hex_name(digest);
    if (std::filesystem::exists(home))
      move_to_trash(home, nullptr);  // one that could not be loaded
    std::filesystem::rename(candidate.directory, home);
    sys::sync_directory(images_);
    Known known;
    known.image = std::move(candidate.image);
    known.layers = std::move(candidate.layers);
    return hand_out(known_.emplace(digest, std::move(known)).first->second);
  } catch (...) {
    retire_trees(candidate.image);
    retire_unused_layers(candidate.layers);
    throw;
  }
}

std::shared_ptr<const Image> ImageCatalog::find(const std::string& digest) {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(digest);
  return found == known_.end() ? nullptr : hand_out(found->second);
}

std::shared_ptr<const Image> ImageCatalog::hand_out(Known& known) {
  known.released = false;
  if (std::shared_ptr<const Image> handle = known.handle.lock()) return handle;
  // The weak pointer in `known` keeps the deleter itself alive, so the deleter must not keep us:
  // it lets go of the catalog when it runs.
  auto destroy = [self = shared_from_this()](const Image* image) mutable {
    const std::shared_ptr<ImageCatalog> catalog = std::move(self);
    const std::string digest = image->digest;
    delete image;
    catalog->handle_gone(digest);
  };
  std::shared_ptr<const Image> handle(new Image(known.image), std::move(destroy));
  known.handle = handle;
  return handle;
}

void ImageCatalog::handle_gone(const std::string& digest) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(digest);
  if (found == known_.end() || !found->second.released || !found->second.handle.expired()) return;
  try {
    retire(digest);
  } catch (const std::exception& error) {
    log_.error("image_not_removed", {{"image", digest}, {"error", error.what()}});
  }
}

void ImageCatalog::release(const std::string& digest) {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(digest);
  if (found == known_.end()) return;
  found->second.released = true;
  if (found->second.handle.expired()) retire(digest);
}

void ImageCatalog::release_all_but(const std::set<std::string>& digests) {
  const std::lock_guard lock(mutex_);
  take_away_all_but(digests, nullptr);
  take_away_unused_layers(nullptr);
}

std::future<Freed> ImageCatalog::collect(const std::optional<std::set<std::string>>& digests) {
  const std::lock_guard lock(mutex_);
  const auto collection = std::make_shared<Collection>();
  std::future<Freed> done = collection->done.get_future();
  if (digests) take_away_all_but(*digests, collection);
  for (const std::string& hex : hexes_in(images_)) {
    if (known_.contains(kDigestPrefix + hex)) continue;
    move_to_trash(images_ / hex, collection);
    ++collection->freed.images;
  }
  take_away_unused_layers(collection);
  // What was released before and is still on the disk counts as well; the last one, which is not
  // there, comes after what is being removed at this moment.
  for (Trash& waiting : trash_) {
    if (!waiting.collection) waiting.collection = collection;
  }
  trash_.push_back({staging_ / std::to_string(next_name_++), collection, {}});
  changed_.notify_all();
  log_.info("garbage_collected",
            {{"images", collection->freed.images}, {"layers", collection->freed.layers}});
  return done;
}

void ImageCatalog::retire(const std::string& digest) {
  const Known gone = take_away(digest, nullptr);
  retire_trees(gone.image);
  retire_unused_layers(gone.layers);
}

ImageCatalog::Known ImageCatalog::take_away(const std::string& digest,
                                            const CollectionPtr& collection) {
  const auto found = known_.find(digest);
  move_to_trash(images_ / hex_name(digest), collection);
  Known gone = std::move(found->second);
  known_.erase(found);
  log_.info("image_removed", {{"image", digest}});
  return gone;
}

// Of the trees that a vanished image had something of. What remains of a tree when its own image
// has gone is what others have grafts to. It only ever shrinks: new grafts are taken from images
// that are known.
void ImageCatalog::retire_trees(const Image& gone) {
  std::map<std::filesystem::path, std::set<std::string>> had{{gone.rootfs, {""}}};
  for (const Graft& graft : gone.grafts) had[graft.tree].insert(graft.path);
  std::map<std::filesystem::path, std::set<std::string>> kept;
  for (const auto& [digest, known] : known_) {
    had.erase(known.image.rootfs);
    for (const Graft& graft : known.image.grafts) kept[graft.tree].insert(graft.path);
  }
  for (const auto& [tree, paths] : had) {
    std::set<std::string>& still = kept[tree];
    if (std::includes(still.begin(), still.end(), paths.begin(), paths.end())) continue;
    remove_tree_but(tree, std::move(still), nullptr);
  }
}

void ImageCatalog::take_away_unused_trees(const CollectionPtr& collection) {
  std::set<std::filesystem::path> owned;
  std::map<std::filesystem::path, std::set<std::string>> kept;
  for (const auto& [digest, known] : known_) {
    owned.insert(known.image.rootfs);
    for (const Graft& graft : known.image.grafts) kept[graft.tree].insert(graft.path);
  }
  for (const std::string& name : sys::list_directory(trees_)) {
    const std::filesystem::path tree = trees_ / name;
    if (!owned.contains(tree)) remove_tree_but(tree, kept[tree], collection);
  }
}

// Where it stands: nobody sees it, and what is kept of it must not move.
void ImageCatalog::remove_tree_but(const std::filesystem::path& tree, std::set<std::string> kept,
                                   const CollectionPtr& collection) {
  trash_.push_back({tree, collection, std::move(kept)});
  changed_.notify_all();
}

void ImageCatalog::take_away_all_but(const std::set<std::string>& digests,
                                     const CollectionPtr& collection) {
  std::vector<std::string> unheld;
  for (auto& [digest, known] : known_) {
    if (digests.contains(digest)) continue;
    known.released = true;  // one that is held goes with its last handle
    if (known.handle.expired()) unheld.push_back(digest);
  }
  for (const std::string& digest : unheld) {
    take_away(digest, collection);
    if (collection) ++collection->freed.images;
  }
  take_away_unused_trees(collection);
}

// Of all layers at once: for each of thousands, `is_used` would look through thousands of images.
void ImageCatalog::take_away_unused_layers(const CollectionPtr& collection) {
  std::set<std::string> used;
  for (const auto& [hex, count] : pins_) used.insert(hex);
  for (const auto& [digest, known] : known_) used.insert(known.layers.begin(), known.layers.end());
  for (const std::string& hex : hexes_in(layers_)) {
    if (used.contains(hex)) continue;
    move_to_trash(layers_ / hex, collection);
    if (collection) ++collection->freed.layers;
  }
}

void ImageCatalog::retire_unused_layers(const std::vector<std::string>& diff_hexes) {
  for (const std::string& hex : diff_hexes) {
    if (!is_used(hex) && std::filesystem::exists(layers_ / hex)) {
      move_to_trash(layers_ / hex, nullptr);
    }
  }
}

bool ImageCatalog::is_used(const std::string& diff_hex) const {
  if (pins_.contains(diff_hex)) return true;
  return std::any_of(known_.begin(), known_.end(), [&](const auto& entry) {
    const std::vector<std::string>& layers = entry.second.layers;
    return std::find(layers.begin(), layers.end(), diff_hex) != layers.end();
  });
}

void ImageCatalog::move_to_trash(const std::filesystem::path& path, CollectionPtr collection) {
  std::filesystem::path trash = staging_ / std::to_string(next_name_++);
  std::filesystem::rename(path, trash);
  trash_.push_back({std::move(trash), std::move(collection), {}});
  changed_.notify_all();
}

void ImageCatalog::remove_trash() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !trash_.empty(); });
    if (stopping_) return;  // the next start goes on
    Trash trash = std::move(trash_.front());
    trash_.pop_front();
    removing_ = true;
    lock.unlock();
    try {
      std::uint64_t* freed = trash.collection ? &trash.collection->freed.bytes : nullptr;
      if (trash.kept.empty()) {
        sys::remove_tree(trash.path, freed);
      } else {
        trim_tree(trash.path, trash.kept, freed);
      }
    } catch (const std::exception& error) {
      // The next start tries again.
      log_.error("staging_not_removed", {{"path", trash.path.string()}, {"error", error.what()}});
    }
    trash.collection.reset();
    lock.lock();
    removing_ = false;
    changed_.notify_all();
  }
}

void ImageCatalog::settle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return trash_.empty() && !removing_; });
}

void ImageCatalog::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (remover_.joinable()) remover_.join();
}

}  // namespace image
