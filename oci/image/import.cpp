#include "oci/image/import.h"

#include <string>
#include <utility>
#include <vector>

#include "oci/image/entry_path.h"
#include "oci/image/image_record.h"
#include "oci/image/refusal.h"
#include "oci/image/rootfs_composer.h"
#include "oci/image/tree.h"
#include "oci/image/tree_sharing.h"
#include "oci/sys/file.h"

namespace image {
namespace {

constexpr mode_t kPrivate = 0700;
constexpr const char* kUnpack = "unpack";  // the child's root directory
constexpr const char* kImage = "image";    // what becomes images/<hex>
constexpr const char* kTree = "tree";      // what becomes trees/<n>
constexpr const char* kShared = "shared";  // what another tree has as well

std::filesystem::path make_unpack_directory(const std::filesystem::path& staging) {
  sys::make_directory(staging / kUnpack, kPrivate);
  return staging / kUnpack;
}

// For the people who read `faas describe`: what is in the archive and not in the image.
std::vector<std::string> notes_of(const UnpackReport& report) {
  std::vector<std::string> notes;
  const auto note = [&](std::uint64_t count, const char* what) {
    if (count != 0) notes.push_back(std::to_string(count) + what);
  };
  note(report.special_files, " device nodes, fifos or sockets were not created");
  note(report.attributes,
       " extended attributes other than user.* and security.capability were left out");
  return notes;
}

std::vector<std::string> hexes_of(const ImagePlan& plan) {
  std::vector<std::string> hexes;
  for (const PlannedLayer& layer : plan.layers) hexes.push_back(layer.diff_hex);
  return hexes;
}

// What the store has is no answer to what is missing: it may be gone tomorrow, and the archive is
// broken today.
void require_all_layers(const ImagePlan& plan, const UnpackReport& report) {
  for (const PlannedLayer& layer : plan.layers) {
    if (layer.directory.empty()) refuse_missing_layer(report, layer);
  }
}

}  // namespace

StreamedImport::Staging::~Staging() {
  try {
    if (succeeded) {
      catalog.discard(path);
    } else {
      sys::remove_tree(path);
    }
  } catch (const std::exception&) {
    // The next start removes everything in staging.
  }
}

StreamedImport::StreamedImport(std::shared_ptr<ImageCatalog> catalog, const sys::Log& log,
                               const std::filesystem::path& unpack_program, Selection selection,
                               std::shared_ptr<LayerRequests::Request> layer_request,
                               const Quota& quota, std::chrono::milliseconds patience,
                               const std::stop_token& stop)
    : catalog_(std::move(catalog)),
      log_(log),
      selection_(std::move(selection)),
      layer_request_(std::move(layer_request)),
      quota_(quota),
      stop_(stop),
      staging_(*catalog_),
      process_(unpack_program, make_unpack_directory(staging_.path), quota, patience, stop) {}

void StreamedImport::write(std::string_view bytes) {
  try {
    process_.write(bytes);
  } catch (const std::exception& error) {
    throw refusal_of(error);
  }
}

std::shared_ptr<const Image> StreamedImport::finish() {
  try {
    const UnpackReport report = process_.finish();
    const ImagePlan plan = plan_image(report, selection_);
    if (!layer_request_) require_all_layers(plan, report);
    std::shared_ptr<const Image> image = catalog_->find(plan.digest);
    staging_.succeeded = image != nullptr;
    if (image) return image;
    image = compose(plan, report);
    staging_.succeeded = true;
    log_.info("image_imported", {{"image", image->digest},
                                 {"layers", plan.layers.size()},
                                 {"bytes", image->size_bytes},
                                 {"special_files", report.special_files},
                                 {"attributes", report.attributes}});
    return image;
  } catch (const std::exception& error) {
    throw refusal_of(error);
  }
}

std::shared_ptr<const Image> StreamedImport::compose(const ImagePlan& plan,
                                                     const UnpackReport& report) {
  ImageCatalog::Candidate candidate;
  candidate.directory = staging_.path / kImage;
  candidate.tree = staging_.path / kTree;
  candidate.layers = hexes_of(plan);
  const ImageCatalog::LayerPins pins(catalog_, candidate.layers);

  sys::make_directory(candidate.directory, kPrivate);
  sys::make_directory(candidate.tree, kPrivate);
  RootfsComposer composer(sys::open_directory(candidate.tree), quota_, stop_);
  const sys::UniqueFd staging = sys::open_directory(staging_.path);
  for (const PlannedLayer& layer : plan.layers) {
    if (pins.has(layer.diff_hex)) {
      composer.apply_layer(sys::open_directory(catalog_->layer_path(layer.diff_hex)).get());
      continue;
    }
    if (layer.directory.empty()) refuse_missing_layer(report, layer);
    // No link on the way: the child could have put one there, and it is dead by now.
    const std::string path = std::string(kUnpack) + "/layers/" + layer.directory;
    const auto fd = open_directory_beneath(staging.get(), path);
    if (!fd) refuse("bad_layer", "a layer is not where the unpacking process has put it");
    composer.apply_layer(fd->get());
    candidate.staged_layers[layer.diff_hex] = staging_.path / path;
  }
  composer.make_mount_points();
  composer.make_working_dir(normal_path(plan.config.working_dir));

  const std::shared_ptr<const Image> nearest = catalog_->nearest(candidate.layers);
  if (nearest) {
    sys::make_directory(staging_.path / kShared, kPrivate);
    candidate.image.grafts = share_directories(candidate.tree, *nearest, staging_.path / kShared);
  }
  candidate.image.rootfs = catalog_->new_tree_path();
  candidate.image.digest = plan.digest;
  candidate.image.config = plan.config;
  candidate.image.size_bytes = composer.size_bytes();
  candidate.image.notes = notes_of(report);
  sys::write_file_durably(
      candidate.directory / "image.json",
      encode_image_record({candidate.image, candidate.layers}, plan.config_json));
  // Once for all files: after a crash the rename below has happened to a whole image or not at all.
  sync_filesystem(staging.get());
  return catalog_->publish(std::move(candidate));
}

}  // namespace image
