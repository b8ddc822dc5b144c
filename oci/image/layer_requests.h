// What a sender need not send: it asks with the diff_ids of its image, and is told which layers the
// store lacks. From then on, and until its import has ended, the others stay, and whoever asks for
// one that this sender is to bring waits for it: deploys of one image at the same time share the
// work. Thread-safe. Throws sys::Refused(invalid, "bad_diff_ids").
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace image {

class ImageCatalog;

struct LayerAnswer {
  std::string request;               // to be named by the import
  std::vector<std::string> missing;  // diff_ids, "sha256:<hex>"
};

class LayerRequests {
 public:
  explicit LayerRequests(std::shared_ptr<ImageCatalog> catalog);
  ~LayerRequests();
  LayerRequests(const LayerRequests&) = delete;
  LayerRequests& operator=(const LayerRequests&) = delete;

  // Waits while somebody else brings one of these layers, up to kLayerPatience: then it is the
  // sender's to bring as well.
  LayerAnswer ask(const std::vector<std::string>& diff_ids);

  // Nobody waits any more, now and later.
  void stop();

  // A request lives as long as somebody has it; unclaimed it is dropped after kRequestPatience.
  class Request;
  // Empty if there is no such request (any more).
  std::shared_ptr<Request> claim(const std::string& id);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace image
