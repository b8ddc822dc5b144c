#include "oci/image/layer_requests.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "oci/image/digest.h"
#include "oci/image/image_catalog.h"
#include "oci/image/quota.h"
#include "oci/image/refusal.h"
#include "oci/sys/random.h"

namespace image {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kIdBytes = 16;

std::vector<std::string> hexes_of(const std::vector<std::string>& diff_ids) {
  if (diff_ids.size() > Quota{}.layers) {
    refuse("bad_diff_ids", "an image has at most " + std::to_string(Quota{}.layers) + " layers");
  }
  std::vector<std::string> hexes;
  for (const std::string& diff_id : diff_ids) {
    const std::string_view hex = hex_of_digest(diff_id);
    if (hex.empty()) {
      refuse("bad_diff_ids", "'" + printable(diff_id) + "' is not sha256:<64 hex digits>");
    }
    hexes.emplace_back(hex);
  }
  return hexes;
}

}  // namespace

struct LayerRequests::State {
  struct Unclaimed {
    std::shared_ptr<Request> request;
    Clock::time_point deadline;
  };

  // Destroying a request takes the lock, so what is dropped is handed out.
  std::vector<Unclaimed> take_expired() {
    std::vector<Unclaimed> expired;
    const Clock::time_point now = Clock::now();
    for (auto it = unclaimed.begin(); it != unclaimed.end();) {
      if (it->second.deadline > now) {
        ++it;
        continue;
      }
      expired.push_back(std::move(it->second));
      it = unclaimed.erase(it);
    }
    return expired;
  }

  Clock::time_point next_deadline(Clock::time_point latest) const {
    for (const auto& [id, waiting] : unclaimed) latest = std::min(latest, waiting.deadline);
    return latest;
  }

  bool is_coming(const std::vector<std::string>& hexes) const {
    return std::any_of(hexes.begin(), hexes.end(),
                       [&](const std::string& hex) { return coming.contains(hex); });
  }

  std::shared_ptr<ImageCatalog> catalog;
  std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  std::map<std::string, Unclaimed> unclaimed;  // by id
  std::map<std::string, unsigned> coming;      // layers by diff hex, and how many bring them
  std::size_t waiters = 0;
  bool stopping = false;
};

class LayerRequests::Request {
 public:
  // With the state's lock held.
  Request(std::shared_ptr<State> state, const std::vector<std::string>& hexes)
      : state_(std::move(state)), pins_(state_->catalog, hexes) {
    for (const std::string& hex : hexes) {
      const bool known =
          pins_.has(hex) || std::find(missing_.begin(), missing_.end(), hex) != missing_.end();
      if (known) continue;
      missing_.push_back(hex);
      ++state_->coming[hex];
    }
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request() {
    const std::lock_guard lock(state_->mutex);
    for (const std::string& hex : missing_) {
      const auto found = state_->coming.find(hex);
      if (--found->second == 0) state_->coming.erase(found);
    }
    state_->changed.notify_all();
  }

  const std::vector<std::string>& missing() const { return missing_; }

 private:
  std::shared_ptr<State> state_;
  ImageCatalog::LayerPins pins_;
  std::vector<std::string> missing_;  // diff hexes
};

LayerRequests::LayerRequests(std::shared_ptr<ImageCatalog> catalog)
    : state_(std::make_shared<State>()) {
  state_->catalog = std::move(catalog);
}

// A request keeps the state, and the state the unclaimed requests.
LayerRequests::~LayerRequests() {
  std::map<std::string, State::Unclaimed> dropped;  // destroyed after the lock
  const std::lock_guard lock(state_->mutex);
  dropped.swap(state_->unclaimed);
}

LayerAnswer LayerRequests::ask(const std::vector<std::string>& diff_ids) {
  const std::vector<std::string> hexes = hexes_of(diff_ids);
  const Clock::time_point patience = Clock::now() + kLayerPatience;
  LayerAnswer answer;
  answer.request = sys::random_hex(kIdBytes);
  std::vector<State::Unclaimed> expired;  // destroyed without the lock
  std::unique_lock lock(state_->mutex);
  for (;;) {
    for (State::Unclaimed& each : state_->take_expired()) expired.push_back(std::move(each));
    if (!expired.empty()) {
      lock.unlock();
      expired.clear();
      lock.lock();
      continue;
    }
    const bool may_wait = !state_->stopping && state_->waiters < kLayerWaiters;
    if (!state_->is_coming(hexes) || Clock::now() >= patience || !may_wait) break;
    ++state_->waiters;
    state_->changed.wait_until(lock, state_->next_deadline(patience));
    --state_->waiters;
  }
  if (state_->unclaimed.size() >= kUnclaimedRequests) {
    throw sys::Refused(sys::Refusal::unavailable, "busy",
                       "too many deploys are about to begin; try again in a minute");
  }
  const auto request = std::make_shared<Request>(state_, hexes);
  for (const std::string& hex : request->missing()) answer.missing.push_back("sha256:" + hex);
  state_->unclaimed[answer.request] = {request, Clock::now() + kRequestPatience};
  return answer;
}

void LayerRequests::stop() {
  const std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  state_->changed.notify_all();
}

std::shared_ptr<LayerRequests::Request> LayerRequests::claim(const std::string& id) {
  std::vector<State::Unclaimed> expired;  // destroyed after the lock
  const std::lock_guard lock(state_->mutex);
  expired = state_->take_expired();
  const auto found = state_->unclaimed.find(id);
  if (found == state_->unclaimed.end()) return nullptr;
  std::shared_ptr<Request> request = std::move(found->second.request);
  state_->unclaimed.erase(found);
  return request;
}

}  // namespace image
