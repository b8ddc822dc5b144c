#include "oci/image/layer_job.h"

#include <optional>
#include <utility>

#include "oci/image/archive.h"
#include "oci/image/refusal.h"
#include "oci/image/tree.h"

namespace image {

LayerJob::LayerJob(LayerWorkshop& workshop, const std::string& path, const std::string& directory)
    : workshop_(workshop),
      spool_(workshop.directory.get(), {kSpoolMemoryBytes, workshop.quota.spool_bytes}) {
  layer_.path = path;
  layer_.directory = directory;
  make_directory_at(workshop.directory.get(), directory, 0755);
  thread_ = std::thread([this] { run(); });
}

LayerJob::~LayerJob() {
  spool_.leave();
  if (thread_.joinable()) thread_.join();
}

void LayerJob::run() noexcept {
  try {
    unpack();
  } catch (...) {
    failure_ = std::current_exception();
  }
  spool_.leave();
}

void LayerJob::unpack() {
  LayerWriter writer(open_directory_at(workshop_.directory.get(), layer_.directory),
                     workshop_.path / layer_.directory, workshop_.quota, workshop_.budget);
  TarStream stream(
      "the layer '" + printable(layer_.path) + "'", TarStream::Role::layer,
      [this] { return spool_.take(); }, workshop_.quota, workshop_.inflated_bytes);
  while (const std::optional<Entry> entry = stream.next()) writer.add(*entry, stream);
  writer.finish();
  layer_.diff_hex = stream.diff_hex();
  layer_.compressed_hex = stream.compressed_hex();
  layer_.size = stream.compressed_size();
}

UnpackedLayer LayerJob::wait() {
  thread_.join();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  return std::move(layer_);
}

}  // namespace image
