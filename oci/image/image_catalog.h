// Which images and layers are on the disk, and who still needs them; the directories of the store
// change only here. Every image and layer becomes visible, and vanishes, by one rename(2): under
// `staging/` lies what is on its way in or out, and a start removes it, like trees of no image.
// Renames happen under a lock, removing what nobody sees any more on a thread of its own.
// Thread-safe. Throws std::system_error, sys::Refused.
//
//   <state>/layers/<diff-id hex>/          one layer, unpacked, whiteouts as files
//   <state>/trees/<random hex>/            a root filesystem, composed of layers by hard links
//   <state>/images/<digest hex>/image.json an image: its config, layers, tree, grafts
//   <state>/staging/<n>/                   imports and trash
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "oci/image/image.h"
#include "oci/image/image_store.h"
#include "oci/sys/log.h"

namespace image {

class ImageCatalog : public std::enable_shared_from_this<ImageCatalog> {
 public:
  // Takes the directories below `state_dir`, and sees to it that what a crash left half done there
  // is removed, on its own thread.
  ImageCatalog(const std::filesystem::path& state_dir, const sys::Log& log);
  ~ImageCatalog();
  ImageCatalog(const ImageCatalog&) = delete;
  ImageCatalog& operator=(const ImageCatalog&) = delete;

  // A new, empty directory for an import. Whoever has it removes it.
  std::filesystem::path make_staging_directory();

  // Removes such a directory, on the catalog's own thread: nobody waits for the disk.
  void discard(const std::filesystem::path& staging_directory);

  // Keeps the layers that are here already from being removed, until it is destroyed.
  class LayerPins {
   public:
    LayerPins(std::shared_ptr<ImageCatalog> catalog, const std::vector<std::string>& diff_hexes);
    LayerPins(const LayerPins&) = delete;
    LayerPins& operator=(const LayerPins&) = delete;
    ~LayerPins();
    bool has(const std::string& diff_hex) const { return pinned_.contains(diff_hex); }

   private:
    std::shared_ptr<ImageCatalog> catalog_;
    std::set<std::string> pinned_;
  };

  std::filesystem::path layer_path(const std::string& diff_hex) const;

  // Where the tree of a new image will be. A name that was never used: nothing that still has an
  // old one's name can come to mean another.
  std::filesystem::path new_tree_path() const;

  // The image here that has the most layers in common with this one, from the lowest up; empty if
  // none has the lowest. What grafts a new image takes from it stays while the pointer is held.
  std::shared_ptr<const Image> nearest(const std::vector<std::string>& diff_hexes);

  // An image that is ready on the disk, in staging: its tree, a directory with image.json, and the
  // layers that were not here before.
  struct Candidate {
    Image image;  // its rootfs is where `tree` goes
    std::filesystem::path tree;
    std::filesystem::path directory;
    std::vector<std::string> layers;                             // diff hexes, all of them
    std::map<std::string, std::filesystem::path> staged_layers;  // by diff hex
  };
  // Makes it the image of its digest, durably; or drops it, if that is here already.
  std::shared_ptr<const Image> publish(Candidate candidate);

  // Also takes back a release. Empty if there is no such image.
  std::shared_ptr<const Image> find(const std::string& digest);
  void release(const std::string& digest);
  void release_all_but(const std::set<std::string>& digests);
  std::future<Freed> collect(const std::optional<std::set<std::string>>& digests);
  void settle();
  // Ends the thread; what still waits is left to the next start. Handles may outlive this.
  void stop();

 private:
  struct Known {
    Image image;
    std::vector<std::string> layers;
    std::weak_ptr<const Image> handle;
    bool released = false;
  };

  // What one `collect` freed so far; shared by all that it put into the trash, and told to whoever
  // waits when the last of that is off the disk.
  struct Collection {
    Freed freed;
    std::promise<Freed> done;
    Collection() = default;
    Collection(const Collection&) = delete;
    Collection& operator=(const Collection&) = delete;
    ~Collection() { done.set_value(freed); }
  };
  using CollectionPtr = std::shared_ptr<Collection>;

  struct Trash {
    std::filesystem::path path;
    CollectionPtr collection;    // none for what was not collected, but released
    std::set<std::string> kept;  // of a tree that stays where it is: what others have grafts to
  };

  void throw_away_leftovers();
  void load_images();
  void load_image(const std::string& name);
  std::shared_ptr<const Image> hand_out(Known& known);
  void handle_gone(const std::string& digest) noexcept;
  void retire(const std::string& digest);
  void retire_trees(const Image& gone);
  void take_away_unused_trees(const CollectionPtr& collection);
  void remove_tree_but(const std::filesystem::path& tree, std::set<std::string> kept,
                       const CollectionPtr& collection);
  Known take_away(const std::string& digest, const CollectionPtr& collection);
  void take_away_all_but(const std::set<std::string>& digests, const CollectionPtr& collection);
  void take_away_unused_layers(const CollectionPtr& collection);
  void retire_unused_layers(const std::vector<std::string>& diff_hexes);
  void move_to_trash(const std::filesystem::path& path, CollectionPtr collection);
  bool is_used(const std::string& diff_hex) const;
  void unpin(const std::set<std::string>& diff_hexes) noexcept;
  void remove_trash();

  const std::filesystem::path layers_;
  const std::filesystem::path trees_;
  const std::filesystem::path images_;
  const std::filesystem::path staging_;
  const sys::Log& log_;

  std::mutex mutex_;  // guards what follows, and the names in the three directories
  std::condition_variable changed_;
  std::map<std::string, Known> known_;  // by digest
  std::map<std::string, unsigned> pins_;
  std::deque<Trash> trash_;
  bool removing_ = false;
  bool stopping_ = false;
  std::uint64_t next_name_ = 0;
  std::thread remover_;
};

}  // namespace image
