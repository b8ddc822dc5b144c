// One layer on its way to the disk, on a thread of its own: decompressed, hashed and written while
// the reader of the archive is already at the next member. Owned by the ImageUnpacker; destroyed
// before wait() has returned: the thread ends, and what it wrote lies about. Runs in the confined
// process. One thread calls.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <string>
#include <thread>

#include "oci/image/layer_writer.h"
#include "oci/image/quota.h"
#include "oci/image/spool.h"
#include "oci/image/unpack_protocol.h"

namespace image {

// What the layers of one archive share; outlives their jobs.
struct LayerWorkshop {
  std::filesystem::path path;  // of the directory that the layers become directories of
  sys::UniqueFd directory;     // the same
  const Quota& quota;
  Budget budget;
  std::atomic<std::uint64_t> inflated_bytes = 0;
};

class LayerJob {
 public:
  // Makes the directory `directory` in the workshop.
  LayerJob(LayerWorkshop& workshop, const std::string& path, const std::string& directory);
  LayerJob(const LayerJob&) = delete;
  LayerJob& operator=(const LayerJob&) = delete;
  ~LayerJob();

  // The next bytes of the member. False: the layer has been refused, and wait() says why.
  bool put(std::string bytes) { return spool_.put(std::move(bytes)); }
  void close() { spool_.close(); }
  // The layer, whole. Throws sys::Refused, std::system_error. Once.
  UnpackedLayer wait();

 private:
  void run() noexcept;
  void unpack();

  LayerWorkshop& workshop_;
  UnpackedLayer layer_;
  Spool spool_;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace image
