// One upload from its first byte to the image on the disk: unpacked by a confined process as it
// comes, verified, composed, published. Everything that it makes on the way lies in one staging
// directory, which goes with it. Throws sys::Refused only. One thread.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string_view>

#include "oci/image/image_catalog.h"
#include "oci/image/image_plan.h"
#include "oci/image/image_selection.h"
#include "oci/image/image_store.h"
#include "oci/image/quota.h"
#include "oci/image/unpack_process.h"
#include "oci/sys/log.h"

namespace image {

class StreamedImport final : public Import {
 public:
  StreamedImport(std::shared_ptr<ImageCatalog> catalog, const sys::Log& log,
                 const std::filesystem::path& unpack_program, Selection selection,
                 const Quota& quota, std::chrono::milliseconds patience);

  void write(std::string_view bytes) override;
  std::shared_ptr<const Image> finish() override;

 private:
  struct Staging {
    std::filesystem::path path;
    explicit Staging(std::filesystem::path directory) : path(std::move(directory)) {}
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;
    ~Staging();
  };

  std::shared_ptr<const Image> compose(const ImagePlan& plan, const UnpackReport& report);

  std::shared_ptr<ImageCatalog> catalog_;
  const sys::Log& log_;
  const Selection selection_;
  const Quota quota_;
  Staging staging_;
  UnpackProcess process_;  // gone before the directory that it writes to
};

}  // namespace image
