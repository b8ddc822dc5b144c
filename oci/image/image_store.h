// Where images live: layers unpacked once by diff_id, root filesystems composed of them with hard
// links, both under the state directory (`layers/<hex>/`, `images/<hex>/rootfs`). An import reads
// the archive once, as it arrives, in a confined child process; this process never parses it.
// Inodes are shared between layers and images: nobody may ever write to a rootfs.
// The store is thread-safe. Callers hold images by shared_ptr; an image that was released
// (`release`) goes from the disk when the last pointer to it has gone.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "oci/image/image.h"
#include "oci/image/image_selection.h"
#include "oci/image/layer_requests.h"
#include "oci/image/quota.h"
#include "oci/sys/log.h"

namespace image {

// One upload on its way in. Destroyed before `finish` has returned: nothing of it stays on the
// disk. One thread.
class Import {
 public:
  virtual ~Import() = default;
  // The next bytes of the archive. Throws sys::Refused with the reason as soon as the archive is
  // known to be bad or over a bound.
  virtual void write(std::string_view bytes) = 0;
  // The end of the archive: the image is complete, verified and on the disk. Throws sys::Refused.
  virtual std::shared_ptr<const Image> finish() = 0;
};

// What a collection of garbage took off the disk.
struct Freed {
  std::size_t images = 0;
  std::size_t layers = 0;
  std::uint64_t bytes = 0;  // of the disk: what other images still link to does not count
};

class ImageStore {
 public:
  // Takes `<state_dir>/layers` and `<state_dir>/images`, makes them (0700), and removes what a
  // crash left half done there.
  // `unpack_program` is run as `unpack_program unpack-image <dir>` and calls unpack_main. Images
  // may outlive the store, but one that is released after its end goes from the disk only when the
  // next store of this directory is told.
  ImageStore(const std::filesystem::path& state_dir, const sys::Log& log,
             std::filesystem::path unpack_program = "/proc/self/exe", const Quota& quota = {},
             std::chrono::milliseconds unpack_patience = kUnpackPatience);
  ~ImageStore();
  ImageStore(const ImageStore&) = delete;
  ImageStore& operator=(const ImageStore&) = delete;

  // Which layers of an image the store lacks, before its archive is sent: layer_requests.h.
  LayerAnswer request_layers(const std::vector<std::string>& diff_ids);
  // Its archive will not come: who waits for these layers brings them now. Nothing if there is no
  // such request.
  void drop_layer_request(const std::string& id);

  // Of the image of the archive that `selection` means. The archive of a sender that has asked
  // first
  // (`layer_request`) may lack the layers that the store has. Throws sys::Refused(invalid) for a
  // selection that makes no sense.
  std::unique_ptr<Import> begin_import(const Selection& selection = {},
                                       const std::string& layer_request = {});

  // Imports on their way end at once, refused as "stopping"; later ones are not begun.
  void stop_imports();

  // An image that an earlier import stored. Throws sys::Refused(not_found, "unknown_image").
  std::shared_ptr<const Image> open(const std::string& digest);

  // No function names this image any more: remove it, and layers that no other image uses, once the
  // last shared_ptr to it is gone (at once, if there is none). An import or open of the same digest
  // before that keeps it. Returns without waiting for the disk.
  void release(const std::string& digest);

  // Releases every image whose digest is not among these.
  void release_all_but(const std::set<std::string>& digests);

  // Frees what nobody can use any more: images but these (none, if there are no `digests`), images
  // that could not be read at the start, and layers of no image. All of it is out of the store when
  // this returns, and off the disk when the future is ready. What somebody holds goes later, and an
  // import on its way loses nothing.
  std::future<Freed> collect(const std::optional<std::set<std::string>>& digests);

  // Waits until everything that was released and is unused is off the disk (for shutdown and
  // tests).
  void settle();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The body of the confined child: `faasd unpack-image` runs this and exits with its value. Reads
// the archive from stdin; the protocol between the two is in oci/image/unpack_protocol.h. Confines
// itself before it reads a byte, for good: the process must end when this returns.
int unpack_main(const std::string& staging_dir);

}  // namespace image
