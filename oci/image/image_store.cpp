#include "oci/image/image_store.h"

#include <stop_token>
#include <utility>

#include "oci/image/image_catalog.h"
#include "oci/image/import.h"
#include "oci/image/refusal.h"

namespace image {

struct ImageStore::State {
  std::shared_ptr<ImageCatalog> catalog;
  const sys::Log& log;
  std::filesystem::path unpack_program;
  Quota quota;
  std::chrono::milliseconds unpack_patience;
  LayerRequests requests{catalog};
  std::stop_source stop{};
};

ImageStore::ImageStore(const std::filesystem::path& state_dir, const sys::Log& log,
                       std::filesystem::path unpack_program, const Quota& quota,
                       std::chrono::milliseconds unpack_patience)
    : state_(new State{std::make_shared<ImageCatalog>(state_dir, log), log,
                       std::move(unpack_program), quota, unpack_patience}) {}

ImageStore::~ImageStore() {
  state_->catalog->stop();
}

LayerAnswer ImageStore::request_layers(const std::vector<std::string>& diff_ids) {
  return state_->requests.ask(diff_ids);
}

void ImageStore::drop_layer_request(const std::string& id) {
  state_->requests.claim(id);  // and nobody has it
}

std::unique_ptr<Import> ImageStore::begin_import(const Selection& selection,
                                                 const std::string& layer_request) {
  check_selection(selection);
  if (state_->stop.stop_requested()) refuse_while_stopping();
  std::shared_ptr<LayerRequests::Request> request = state_->requests.claim(layer_request);
  if (!request && !layer_request.empty()) {
    refuse("unknown_layer_request", "the layer request is older than " +
                                        std::to_string(kRequestPatience.count()) +
                                        " s, used already, or none of this faasd: ask again");
  }
  try {
    return std::make_unique<StreamedImport>(state_->catalog, state_->log, state_->unpack_program,
                                            selection, std::move(request), state_->quota,
                                            state_->unpack_patience, state_->stop.get_token());
  } catch (const std::exception& error) {
    throw refusal_of(error);
  }
}

void ImageStore::stop_imports() {
  state_->stop.request_stop();
  state_->requests.stop();
}

std::shared_ptr<const Image> ImageStore::open(const std::string& digest) {
  if (std::shared_ptr<const Image> image = state_->catalog->find(digest)) return image;
  throw sys::Refused(sys::Refusal::not_found, "unknown_image",
                     "there is no image " + printable(digest) + " in the store");
}

void ImageStore::release(const std::string& digest) {
  state_->catalog->release(digest);
}

void ImageStore::release_all_but(const std::set<std::string>& digests) {
  state_->catalog->release_all_but(digests);
}

std::future<Freed> ImageStore::collect(const std::optional<std::set<std::string>>& digests) {
  return state_->catalog->collect(digests);
}

void ImageStore::settle() {
  state_->catalog->settle();
}

}  // namespace image
