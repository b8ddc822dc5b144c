// The Operator of a real host: images in the store, functions in files, addresses on the loopback
// interface, connections in the Dispatcher. HTTP threads call it; one name is changed by one of
// them at a time.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "faasd/control/name_locks.h"
#include "faasd/control/operator.h"
#include "faasd/function/address_pool.h"
#include "faasd/function/function_store.h"
#include "faasd/instance/blueprint.h"
#include "faasd/serve/dispatcher.h"
#include "oci/runtime/launchers.h"
#include "oci/sys/event_loop.h"
#include "oci/sys/log.h"

namespace control {

// What the Operator works with; outlives it.
struct Household {
  sys::EventLoop& loop;
  const sys::Log& log;
  image::ImageStore& images;
  runtime::RootfsViews& rootfs_views;
  const function::FunctionStore& store;
  function::AddressPool& addresses;
  serve::Dispatcher& dispatcher;
  runtime::Launchers& launchers;
  journal::Journal& journal;
};

struct DeployDefaults {
  std::uint16_t port = 80;
  bool limit_swap = false;
  std::size_t keep_versions = 3;  // of each function, the current one included
  function::ScriptLimits scripts;
};

class HostOperator : public Operator {
 public:
  HostOperator(const Household& household, const DeployDefaults& defaults);
  ~HostOperator() override;

  // Brings back every recorded function, with its address and versions. One that cannot be is named
  // in the log and left in its file; its address stays reserved and its images are kept. Then
  // releases the images that no function names. Before the loop runs.
  void restore();

  std::unique_ptr<Deploy> begin_deploy(const std::string& name, const function::Options& options,
                                       const image::Selection& selection,
                                       const std::string& layer_request) override;
  image::LayerAnswer request_layers(const std::vector<std::string>& diff_ids) override {
    return household_.images.request_layers(diff_ids);
  }
  void drop_layer_request(const std::string& id) override {
    household_.images.drop_layer_request(id);
  }
  FunctionStatus rollback(const std::string& name, std::optional<std::uint64_t> version) override;
  std::vector<function::Version> versions(const std::string& name) override;
  void remove(const std::string& name) override;
  Collected collect_garbage() override;
  std::optional<FunctionStatus> find(const std::string& name) override;
  std::vector<FunctionStatus> list() override;
  std::shared_ptr<journal::Book> book(const std::string& name) override;
  serve::Metrics metrics() override { return household_.dispatcher.metrics(); }

 private:
  friend class HostDeploy;

  std::shared_ptr<const instance::Blueprint> make_blueprint(
      const function::Function& function, std::shared_ptr<const image::Image> image) const;

  // One function that is being served.
  struct Entry {
    std::shared_ptr<const instance::Blueprint> blueprint;
    function::AddressLease lease;
    std::vector<function::Version> previous;
  };

  FunctionStatus finish_deploy(const std::string& name, const function::Options& options,
                               std::shared_ptr<const image::Image> image);
  FunctionStatus put_version(const std::string& name, const function::Version& version,
                             std::shared_ptr<const image::Image> image);
  static sys::UniqueFd listen_for(const function::Function& function);
  void install_new(function::History history, std::shared_ptr<const image::Image> image);
  void replace_old(const function::History& history, std::shared_ptr<const image::Image> image);
  std::optional<function::History> history_of(const std::string& name);
  std::optional<function::History> unrestored_of(const std::string& name);
  void remove_unrestored(const std::string& name);
  function::AddressLease lease_for(const std::string& name);
  [[noreturn]] void not_found(const std::string& name);
  void release_images(const std::set<std::string>& digests);
  std::set<std::string> named_images() const;
  bool wait_until_drained(const std::string& name, const function::Limits& limits);
  void restore_one(const function::History& recorded, const std::set<sys::Ipv4>& present);
  void release_orphans();
  void forget_strangers();
  FunctionStatus status_of(const Entry& entry) const;

  Household household_;
  DeployDefaults defaults_;
  std::shared_ptr<const nlohmann::json> seccomp_;  // of every container
  NameLocks names_;
  std::mutex mutex_;  // guards the three below
  std::map<std::string, Entry> entries_;
  std::map<std::string, function::History> unrestored_;  // recorded, and not served
  std::vector<function::AddressLease> undrained_;  // of functions that are removed, but for a rest
};

}  // namespace control
