// Reads one image archive from its first byte to its last: unpacks every layer as it passes, keeps
// the small JSON documents, notes the links. It does not judge what the documents say, because the
// manifest may come last: that is docker_archive.h, in the daemon. Runs in the confined process.
// Source: `docker save` of engine 20.10 (<id>/layer.tar, <id>/json, <sha>.json, manifest.json) and
// of 25 and later (blobs/sha256/<hex>). Throws sys::Refused, std::system_error. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "oci/image/archive.h"
#include "oci/image/layer_writer.h"
#include "oci/image/quota.h"
#include "oci/image/unpack_protocol.h"
#include "oci/sys/unique_fd.h"

namespace image {

class ImageUnpacker {
 public:
  // Layers become directories 0, 1, … in `layers`, an empty directory.
  ImageUnpacker(const std::filesystem::path& layers, const Quota& quota);

  UnpackReport run(TarStream::Source source);

 private:
  void take(const Entry& entry);
  void take_file(const std::string& path);
  void take_layer(const std::string& path, std::string_view begin);
  void take_document(const std::string& path, std::string_view begin);
  void take_link(const Entry& entry, const std::string& path,
                 const std::vector<std::string>& components);
  void notice_root_filesystem(const std::vector<std::string>& components);

  std::filesystem::path layers_path_;
  sys::UniqueFd layers_;
  const Quota& quota_;
  Budget budget_;
  std::uint64_t archive_bytes_ = 0;
  std::uint64_t layer_bytes_ = 0;
  std::uint64_t documents_bytes_ = 0;
  std::uint32_t next_directory_ = 0;
  std::set<std::string> root_names_;
  TarStream* archive_ = nullptr;  // while run() is running
  UnpackReport report_;
};

}  // namespace image
