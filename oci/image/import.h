// One upload from its first byte to the image on the disk: unpacked by a confined process as it
// comes, verified, composed, published. Everything that it makes on the way lies in one staging
// directory, which goes with it. Throws sys::Refused only. One thread.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string_view>

#include "oci/image/image_catalog.h"
#include "oci/image/image_plan.h"
#include "oci/image/image_selection.h"
#include "oci/image/image_store.h"
#include "oci/image/layer_requests.h"
#include "oci/image/quota.h"
#include "oci/image/unpack_process.h"
#include "oci/sys/log.h"

namespace image {

class StreamedImport final : public Import {
 public:
  StreamedImport(std::shared_ptr<ImageCatalog> catalog, const sys::Log& log,
                 const std::filesystem::path& unpack_program, Selection selection,
                 std::shared_ptr<LayerRequests::Request> layer_request, const Quota& quota,
                 std::chrono::milliseconds patience, const std::stop_token& stop);

  void write(std::string_view bytes) override;
  std::shared_ptr<const Image> finish() override;

 private:
  // Of an import that failed nothing is left when its caller hears of it; of one that did not, the
  // rest (layers that were here before) is removed while its caller goes on.
  struct Staging {
    ImageCatalog& catalog;
    std::filesystem::path path;
    bool succeeded = false;
    explicit Staging(ImageCatalog& owner) : catalog(owner), path(owner.make_staging_directory()) {}
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;
    ~Staging();
  };

  std::shared_ptr<const Image> compose(const ImagePlan& plan, const UnpackReport& report);

  std::shared_ptr<ImageCatalog> catalog_;
  const sys::Log& log_;
  const Selection selection_;
  const std::shared_ptr<LayerRequests::Request> layer_request_;
  const Quota quota_;
  const std::stop_token stop_;
  Staging staging_;
  UnpackProcess process_;  // gone before the directory that it writes to
};

}  // namespace image
