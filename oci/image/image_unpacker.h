// Reads one image archive from its first byte to its last: has every layer unpacked as it passes,
// keeps the small JSON documents, notes the links. It does not judge what the documents say,
// because the manifest may come last: that is image_plan.h, in the daemon. Layers are written by
// threads of their own, as many as there are processors. Runs in the confined process. Source:
// `docker save` of engine 20.10 (<id>/layer.tar, <id>/json, <sha>.json, manifest.json) and of 25
// and later (blobs/sha256/<hex>). Throws sys::Refused, std::system_error. One thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "oci/image/archive.h"
#include "oci/image/layer_job.h"
#include "oci/image/quota.h"
#include "oci/image/unpack_protocol.h"
#include "oci/sys/unique_fd.h"

namespace image {

class ImageUnpacker {
 public:
  // Layers become directories 0, 1, … in `layers`, an empty directory; at most `jobs` at a time.
  ImageUnpacker(const std::filesystem::path& layers, const Quota& quota, std::size_t jobs);

  UnpackReport run(TarStream::Source source);

 private:
  void take(const Entry& entry);
  void take_file(const std::string& path);
  void take_layer(const std::string& path, std::string_view begin);
  void take_document(const std::string& path, std::string_view begin);
  std::string read_piece();
  void finish_oldest_layer();
  void notice_root_filesystem(const std::vector<std::string>& components);

  const Quota& quota_;
  const std::size_t jobs_;
  std::atomic<std::uint64_t> archive_bytes_ = 0;
  std::uint64_t documents_bytes_ = 0;
  std::uint32_t next_directory_ = 0;
  std::set<std::string> root_names_;
  TarStream* archive_ = nullptr;  // while run() is running
  UnpackReport report_;
  LayerWorkshop workshop_;
  std::deque<std::unique_ptr<LayerJob>> running_;  // the oldest in front
};

}  // namespace image
