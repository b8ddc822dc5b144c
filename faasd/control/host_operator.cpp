#include "faasd/control/host_operator.h"

#include <ctime>
#include <future>

#include "faasd/function/bounds.h"
#include "oci/sys/error.h"
#include "oci/sys/socket.h"

namespace control {
namespace {

using sys::Refusal;
using sys::Refused;

std::string now_rfc3339() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

[[noreturn]] void not_found(const std::string& name) {
  throw Refused(Refusal::not_found, "unknown_function",
                "there is no function '" + name + "'; `faas list` shows those there are");
}

void check_launcher(const std::string& known, const std::string& wanted) {
  if (wanted.empty() || wanted == known) return;
  // Whoever may deploy must not thereby choose which program root runs.
  throw Refused(
      Refusal::invalid, "unknown_launcher",
      "this faasd has no launcher '" + wanted + "', only '" + known + "'; its --launcher decides");
}

// Undone unless it was kept: a recorded file whose function did not come up.
class RecordedFunction {
 public:
  RecordedFunction(const function::FunctionStore& store, const function::Function& function)
      : store_(store), name_(function.name) {
    store_.save(function);
  }
  RecordedFunction(const RecordedFunction&) = delete;
  RecordedFunction& operator=(const RecordedFunction&) = delete;
  ~RecordedFunction() {
    if (kept_) return;
    try {
      store_.remove(name_);
    } catch (const std::exception&) {
      // The disk that refuses this refused the deploy too, and its caller has been told.
    }
  }
  void keep() noexcept { kept_ = true; }

 private:
  const function::FunctionStore& store_;
  std::string name_;
  bool kept_ = false;
};

}  // namespace

// A deploy whose archive is still arriving.
class HostDeploy : public Deploy {
 public:
  HostDeploy(HostOperator& host, std::string name, function::Options options)
      : host_(host),
        name_(std::move(name)),
        options_(std::move(options)),
        import_(host.household_.images.begin_import()) {}

  void write(std::string_view bytes) override { import_->write(bytes); }

  FunctionStatus finish() override {
    return host_.finish_deploy(name_, options_, import_->finish());
  }

 private:
  HostOperator& host_;
  std::string name_;
  function::Options options_;
  std::unique_ptr<image::Import> import_;
};

HostOperator::HostOperator(const Household& household, DeployDefaults defaults)
    : household_(household), defaults_(std::move(defaults)) {}

HostOperator::~HostOperator() = default;

std::unique_ptr<Deploy> HostOperator::begin_deploy(const std::string& name,
                                                   const function::Options& options) {
  function::check_name(name);
  check_launcher(defaults_.launcher, options.launcher);
  return std::make_unique<HostDeploy>(*this, name, options);
}

std::shared_ptr<const instance::Blueprint> HostOperator::blueprint_of(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(name);
  return it == entries_.end() ? nullptr : it->second.blueprint;
}

FunctionStatus HostOperator::finish_deploy(const std::string& name,
                                           const function::Options& options,
                                           std::shared_ptr<const image::Image> image) {
  const NameLocks::Held held(names_, name);
  const std::shared_ptr<const instance::Blueprint> old = blueprint_of(name);
  const std::string digest = image->digest;
  function::Function function;
  function.name = name;
  function.version = old ? old->function.version + 1 : 1;
  function.image = digest;
  function.port = old ? old->function.port : defaults_.port;
  if (old) function.address = old->function.address;
  function.command = image->config.command();
  function.env = options.env;
  function.limits = options.limits;
  function.protocol = options.protocol;
  function.launcher = options.launcher;
  function.mode = options.mode;
  function.warm = options.warm;
  function.created_at = now_rfc3339();
  try {
    old ? replace_old(function, std::move(image)) : install_new(function, std::move(image));
  } catch (...) {
    release_image(digest);
    throw;
  }
  // Another function of this image may have been removed while ours was not listed yet: taking it
  // from the store once more takes back that release.
  household_.images.open(digest);
  if (old) release_image(old->function.image);
  const std::optional<FunctionStatus> status = find(name);
  if (!status) not_found(name);
  household_.log.info("deployed", {{"function", name},
                                   {"version", status->function.version},
                                   {"ip", status->function.address.to_string()},
                                   {"image", digest}});
  return *status;
}

// Each step that follows another is undone by the destructor of what the other one made.
void HostOperator::install_new(const function::Function& wanted,
                               std::shared_ptr<const image::Image> image) {
  {
    const std::lock_guard lock(mutex_);
    if (entries_.size() >= function::bounds::kMaxFunctions) {
      throw Refused(Refusal::exhausted, "too_many_functions",
                    "there are " + std::to_string(entries_.size()) +
                        " functions, which is the limit; remove one with `faas rm`");
    }
  }
  function::Function function = wanted;
  // Before anything is touched: can this image run at all?
  instance::make_blueprint(function, image, defaults_.limit_swap);
  function::AddressLease lease = household_.addresses.lease();
  function.address = lease.address();
  sys::UniqueFd listener =
      sys::listen_tcp({function.address, function.port}, function::bounds::kListenBacklog);
  const auto blueprint = instance::make_blueprint(function, std::move(image), defaults_.limit_swap);
  RecordedFunction recorded(household_.store, function);
  household_.loop.call([&] { household_.dispatcher.install(blueprint, std::move(listener)); });
  recorded.keep();
  const std::lock_guard lock(mutex_);
  entries_[function.name] = {blueprint, std::move(lease)};
}

void HostOperator::replace_old(const function::Function& function,
                               std::shared_ptr<const image::Image> image) {
  const auto blueprint = instance::make_blueprint(function, std::move(image), defaults_.limit_swap);
  household_.store.save(function);
  household_.loop.call([&] { household_.dispatcher.replace(blueprint); });
  const std::lock_guard lock(mutex_);
  entries_.at(function.name).blueprint = blueprint;
}

void HostOperator::remove(const std::string& name) {
  function::check_name(name);
  const NameLocks::Held held(names_, name);
  const std::shared_ptr<const instance::Blueprint> blueprint = blueprint_of(name);
  if (!blueprint) not_found(name);
  household_.store.remove(name);
  const bool drained = wait_until_drained(name, blueprint->function.limits);
  {
    const std::lock_guard lock(mutex_);
    // What does not go away keeps its address, so that nobody else is given it.
    if (!drained) undrained_.push_back(std::move(entries_.at(name).lease));
    entries_.erase(name);  // the address leaves the interface
  }
  release_image(blueprint->function.image);
  if (!drained) {
    throw Refused(Refusal::failed, "still_draining",
                  "function '" + name +
                      "' no longer accepts connections and is forgotten, but an "
                      "instance of it does not go away; the log of faasd names it");
  }
  household_.log.info("removed", {{"function", name}});
}

bool HostOperator::wait_until_drained(const std::string& name, const function::Limits& limits) {
  const auto drained = std::make_shared<std::promise<void>>();
  household_.loop.call(
      [&] { household_.dispatcher.retire(name, [drained] { drained->set_value(); }); });
  const auto patience = limits.queue_timeout + limits.timeout + function::bounds::kSweepPatience;
  return drained->get_future().wait_for(patience) == std::future_status::ready;
}

// The image goes when its last function has gone.
void HostOperator::release_image(const std::string& digest) {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, entry] : entries_) {
    if (entry.blueprint->function.image == digest) return;
  }
  household_.images.release(digest);
}

FunctionStatus HostOperator::status_of(const instance::Blueprint& blueprint,
                                       const serve::Counts& counts) const {
  FunctionStatus status;
  status.function = blueprint.function;
  if (status.function.launcher.empty()) status.function.launcher = defaults_.launcher;
  status.image = blueprint.image;
  status.live = counts.live;
  status.parked = counts.parked;
  status.queued = counts.queued;
  status.invocations = counts.invocations;
  return status;
}

std::optional<FunctionStatus> HostOperator::find(const std::string& name) {
  const std::shared_ptr<const instance::Blueprint> blueprint = blueprint_of(name);
  if (!blueprint) return std::nullopt;
  return status_of(*blueprint,
                   household_.loop.call([&] { return household_.dispatcher.counts(name); }));
}

std::vector<FunctionStatus> HostOperator::list() {
  std::vector<std::shared_ptr<const instance::Blueprint>> blueprints;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, entry] : entries_) blueprints.push_back(entry.blueprint);
  }
  return household_.loop.call([&] {
    std::vector<FunctionStatus> functions;
    functions.reserve(blueprints.size());
    for (const auto& blueprint : blueprints) {
      functions.push_back(
          status_of(*blueprint, household_.dispatcher.counts(blueprint->function.name)));
    }
    return functions;
  });
}

void HostOperator::restore() {
  const std::vector<function::Function> functions = household_.store.load();
  for (const function::Function& function : functions) {
    try {
      restore_one(function);
    } catch (const std::exception& error) {
      household_.addresses.reserve(function.address);
      household_.log.error("function_not_restored",
                           {{"function", function.name}, {"reason", error.what()}});
    }
  }
  household_.log.info("restored", {{"functions", entries_.size()}, {"recorded", functions.size()}});
}

void HostOperator::restore_one(const function::Function& recorded) {
  function::Function function = recorded;
  function.port = defaults_.port;  // the daemon's to choose, anew at each start
  std::shared_ptr<const image::Image> image = household_.images.open(function.image);
  const auto blueprint = instance::make_blueprint(function, std::move(image), defaults_.limit_swap);
  function::AddressLease lease = household_.addresses.lease(recorded.address);
  sys::UniqueFd listener =
      sys::listen_tcp({function.address, function.port}, function::bounds::kListenBacklog);
  household_.dispatcher.install(blueprint, std::move(listener));
  entries_[function.name] = {blueprint, std::move(lease)};
}

}  // namespace control
