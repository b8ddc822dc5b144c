#include "faasd/control/host_operator.h"

#include <ctime>
#include <future>
#include <nlohmann/json.hpp>
#include <utility>

#include "faasd/function/bounds.h"
#include "oci/runtime/seccomp_profile.h"
#include "oci/runtime/snapshot.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/program.h"
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

void check_open_files(std::uint64_t wanted) {
  const std::uint64_t most = sys::file_limit();
  if (wanted <= most) return;
  throw Refused(Refusal::invalid, "bad_option",
                "the option 'open_files' can be " + std::to_string(most) +
                    " at most here, the limit of faasd itself; raise that one (LimitNOFILE= of "
                    "its unit, or ulimit -Hn) and restart it");
}

// An option that did nothing would be a lie.
void check_warm(const function::Options& options) {
  const bool runs_programs_alone =
      options.language && options.language->scripts == function::Language::Scripts::none;
  if (!runs_programs_alone || options.warm.instances == 0) return;
  throw Refused(Refusal::invalid, "bad_option",
                "'warm' is for functions and for languages of scripts: an instance for programs "
                "cannot wait, because it is told at its launch what to run");
}

// Only for some processors is there what branches begin with.
bool has_branches() {
  try {
    sys::find_own_program(runtime::kRestorer);
    return true;
  } catch (const Refused&) {
    return false;
  }
}

std::string mode_of(const function::Options& options) {
  if (!options.mode.empty()) return options.mode;
  const bool knows_how = options.language && options.language->branches && has_branches();
  return std::string(knows_how ? function::kBranched : function::kEphemeral);
}

// A snapshot is of a handler that asks for a connection.
void check_mode(const function::Options& options) {
  if (options.mode != function::kBranched) return;
  if (options.language && options.language->scripts == function::Language::Scripts::none) {
    throw Refused(Refusal::invalid, "bad_option",
                  "'mode' can be 'branched' for functions and for languages of scripts: what runs "
                  "programs alone has nothing to start ahead");
  }
  if (has_branches()) return;
  throw Refused(Refusal::invalid, "bad_option",
                "'mode' cannot be 'branched' here: only on x86-64 is there a faas-branch");
}

// Who calls the one does not call the other.
void check_same_kind(const function::History& old, const function::Options& next) {
  if (old.current.language.has_value() == next.language.has_value()) return;
  const std::string& name = old.current.name;
  throw Refused(Refusal::conflict, "other_kind",
                old.current.language
                    ? "'" + name + "' is a language; remove it first, or choose another name"
                    : "'" + name + "' is a function that serves connections and would become a " +
                          "language; remove it first, or choose another name");
}

void add_counts(FunctionStatus& status, const serve::Counts& counts) {
  status.live = counts.live;
  status.parked = counts.parked;
  status.queued = counts.queued;
  status.invocations = counts.invocations;
  status.snapshot = counts.snapshot;
}

// Undone unless it was kept: a recorded file whose function did not come up.
class RecordedFunction {
 public:
  // `before` is what the file held, if there was one.
  RecordedFunction(const function::FunctionStore& store, const function::History& history,
                   std::optional<function::History> before)
      : store_(store), name_(history.current.name), before_(std::move(before)) {
    store_.save(history);
  }
  RecordedFunction(const RecordedFunction&) = delete;
  RecordedFunction& operator=(const RecordedFunction&) = delete;
  ~RecordedFunction() {
    if (kept_) return;
    try {
      before_ ? store_.save(*before_) : store_.remove(name_);
    } catch (const std::exception&) {
      // The disk that refuses this refused the deploy too, and its caller has been told.
    }
  }
  void keep() noexcept { kept_ = true; }

 private:
  const function::FunctionStore& store_;
  std::string name_;
  std::optional<function::History> before_;
  bool kept_ = false;
};

}  // namespace

// A deploy whose archive is still arriving.
class HostDeploy : public Deploy {
 public:
  HostDeploy(HostOperator& host, std::string name, function::Options options,
             const image::Selection& selection, const std::string& layer_request)
      : host_(host),
        name_(std::move(name)),
        options_(std::move(options)),
        import_(host.household_.images.begin_import(selection, layer_request)) {}

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

HostOperator::HostOperator(const Household& household, const DeployDefaults& defaults)
    : household_(household),
      defaults_(defaults),
      seccomp_(std::make_shared<const nlohmann::json>(
          runtime::to_oci_seccomp(runtime::handler_profile()))) {}

HostOperator::~HostOperator() = default;

std::unique_ptr<Deploy> HostOperator::begin_deploy(const std::string& name,
                                                   const function::Options& options,
                                                   const image::Selection& selection,
                                                   const std::string& layer_request) {
  function::check_name(name);
  household_.launchers.get(options.launcher);
  check_open_files(options.limits.open_files);
  check_warm(options);
  check_mode(options);
  const std::optional<function::History> old = history_of(name);
  if (old) check_same_kind(*old, options);
  function::Options remembered = options;
  remembered.launcher = household_.launchers.word_for(options.launcher);
  remembered.mode = mode_of(options);
  return std::make_unique<HostDeploy>(*this, name, remembered, selection, layer_request);
}

std::optional<function::History> HostOperator::history_of(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(name);
  if (it == entries_.end()) return std::nullopt;
  return function::History{it->second.blueprint->function, it->second.previous};
}

void HostOperator::not_found(const std::string& name) {
  if (unrestored_of(name)) {
    throw Refused(Refusal::not_found, "not_restored",
                  "function '" + name +
                      "' did not come back when faasd started (function_not_restored in its log "
                      "says why): deploy it again, or remove it with `faas rm`");
  }
  throw Refused(Refusal::not_found, "unknown_function",
                "there is no function '" + name + "'; `faas list` shows those there are");
}

std::optional<function::History> HostOperator::unrestored_of(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto it = unrestored_.find(name);
  if (it == unrestored_.end()) return std::nullopt;
  return it->second;
}

FunctionStatus HostOperator::finish_deploy(const std::string& name,
                                           const function::Options& options,
                                           std::shared_ptr<const image::Image> image) {
  const NameLocks::Held held(names_, name);
  function::Version version;
  static_cast<function::Options&>(version) = options;
  return put_version(name, version, std::move(image));
}

FunctionStatus HostOperator::rollback(const std::string& name,
                                      std::optional<std::uint64_t> number) {
  function::check_name(name);
  const NameLocks::Held held(names_, name);
  const std::optional<function::History> history = history_of(name);
  if (!history) not_found(name);
  if (number == history->current.version) {
    throw Refused(Refusal::conflict, "already_current",
                  "version " + std::to_string(*number) + " of '" + name + "' is the current one");
  }
  function::Version version = number ? version_of(*history, *number) : version_before(*history);
  household_.launchers.get(version.launcher);
  version.rollback_of = version.version;
  try {
    return put_version(name, version, household_.images.open(version.image));
  } catch (const Refused& refused) {
    throw Refused(refused.reason(), refused.code(),
                  "version " + std::to_string(version.version) + " of '" + name +
                      "' cannot come back: " + refused.what());
  }
}

// The name is held. What the old versions named and the new ones do not is released.
FunctionStatus HostOperator::put_version(const std::string& name, const function::Version& version,
                                         std::shared_ptr<const image::Image> image) {
  const std::string digest = image->digest;
  std::optional<function::History> old = history_of(name);
  const bool served = old.has_value();
  if (!served) old = unrestored_of(name);
  function::Version next = version;
  next.image = digest;
  next.command = image->config.command();
  next.created_at = now_rfc3339();
  function::History history;
  if (old) {
    history = succeed(*old, next, defaults_.keep_versions);
  } else {
    static_cast<function::Version&>(history.current) = next;
    history.current.name = name;
  }
  if (!served) history.current.port = defaults_.port;
  try {
    if (old) check_same_kind(*old, next);
    served ? replace_old(history, std::move(image)) : install_new(history, std::move(image));
  } catch (...) {
    if (!served && old) household_.addresses.reserve(old->current.address);
    release_images({digest});
    throw;
  }
  // Another function of this image may have been removed, or garbage collected, while ours was not
  // listed yet: taking it from the store once more takes back that release.
  household_.images.open(digest);
  if (old) release_images(images_of(*old));
  household_.loop.call([&] { household_.dispatcher.prepare(name); });
  const std::optional<FunctionStatus> status = find(name);
  if (!status) not_found(name);
  household_.log.info("deployed", {{"function", name},
                                   {"version", status->function.version},
                                   {"rollback_of", status->function.rollback_of},
                                   {"ip", status->function.address.to_string()},
                                   {"image", digest}});
  return *status;
}

std::shared_ptr<const instance::Blueprint> HostOperator::make_blueprint(
    const function::Function& function, std::shared_ptr<const image::Image> image) const {
  return instance::make_blueprint(
      function, household_.launchers.get(function.launcher),
      household_.addresses.subnet().host_ids(function.address), std::move(image),
      {household_.rootfs_views, defaults_.limit_swap, defaults_.scripts, seccomp_});
}

// Nobody connects to a language.
sys::UniqueFd HostOperator::listen_for(const function::Function& function) {
  if (function.language) return {};
  return sys::listen_tcp({function.address, function.port}, function::bounds::kListenBacklog);
}

// Each step that follows another is undone by the destructor of what the other one made.
void HostOperator::install_new(function::History history,
                               std::shared_ptr<const image::Image> image) {
  {
    const std::lock_guard lock(mutex_);
    if (entries_.size() >= function::bounds::kMaxFunctions) {
      throw Refused(Refusal::exhausted, "too_many_functions",
                    "there are " + std::to_string(entries_.size()) +
                        " functions, which is the limit; remove one with `faas rm`");
    }
  }
  function::Function& function = history.current;
  function::AddressLease lease = lease_for(function.name);
  function.address = lease.address();
  const auto blueprint = make_blueprint(function, std::move(image));
  sys::UniqueFd listener = listen_for(function);
  const std::optional<function::History> before = unrestored_of(function.name);
  RecordedFunction recorded(household_.store, history, before);
  // Of a function of this name that was removed while something of it did not go away.
  if (!before) household_.journal.remove(function.name);
  household_.loop.call([&] { household_.dispatcher.install(blueprint, std::move(listener)); });
  recorded.keep();
  const std::lock_guard lock(mutex_);
  if (const auto old = unrestored_.find(function.name); old != unrestored_.end()) {
    household_.addresses.unreserve(old->second.current.address);
    unrestored_.erase(old);
  }
  entries_[function.name] = {blueprint, std::move(lease), std::move(history.previous)};
}

// Its own, if it had one before the start.
function::AddressLease HostOperator::lease_for(const std::string& name) {
  if (const std::optional<function::History> old = unrestored_of(name)) {
    try {
      return household_.addresses.lease_reserved(old->current.address);
    } catch (const Refused&) {
      // It cannot be had now either: somebody else's, or outside the subnet.
    }
  }
  return household_.addresses.lease();
}

void HostOperator::replace_old(const function::History& history,
                               std::shared_ptr<const image::Image> image) {
  const auto blueprint = make_blueprint(history.current, std::move(image));
  household_.store.save(history);
  household_.loop.call([&] { household_.dispatcher.replace(blueprint); });
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_.at(history.current.name);
  entry.blueprint = blueprint;
  entry.previous = history.previous;
}

void HostOperator::remove(const std::string& name) {
  function::check_name(name);
  const NameLocks::Held held(names_, name);
  const std::optional<function::History> history = history_of(name);
  if (!history) return remove_unrestored(name);
  household_.store.remove(name);
  const bool drained = wait_until_drained(name, history->current.limits);
  {
    const std::lock_guard lock(mutex_);
    // What does not go away keeps its address, so that nobody else is given it.
    if (!drained) undrained_.push_back(std::move(entries_.at(name).lease));
    entries_.erase(name);  // the address leaves the interface
  }
  household_.journal.remove(name);
  release_images(images_of(*history));
  if (!drained) {
    throw Refused(Refusal::failed, "still_draining",
                  "function '" + name +
                      "' no longer accepts connections and is forgotten, but an "
                      "instance of it does not go away; the log of faasd names it");
  }
  household_.log.info("removed", {{"function", name}});
}

void HostOperator::remove_unrestored(const std::string& name) {
  const std::optional<function::History> history = unrestored_of(name);
  if (!history) not_found(name);
  household_.store.remove(name);
  {
    const std::lock_guard lock(mutex_);
    unrestored_.erase(name);
  }
  household_.journal.remove(name);
  household_.addresses.unreserve(history->current.address);
  release_images(images_of(*history));
  household_.log.info("removed", {{"function", name}});
}

bool HostOperator::wait_until_drained(const std::string& name, const function::Limits& limits) {
  const auto drained = std::make_shared<std::promise<void>>();
  household_.loop.call(
      [&] { household_.dispatcher.retire(name, [drained] { drained->set_value(); }); });
  const auto patience = limits.queue_timeout + limits.timeout + function::bounds::kSweepPatience;
  return drained->get_future().wait_for(patience) == std::future_status::ready;
}

// `mutex_` is held, so that no function is listed or forgotten between this and what follows of it.
std::set<std::string> HostOperator::named_images() const {
  std::set<std::string> named;
  for (const auto& [name, history] : unrestored_) named.merge(images_of(history));
  for (const auto& [name, entry] : entries_) {
    named.insert(entry.blueprint->function.image);
    for (const function::Version& version : entry.previous) named.insert(version.image);
  }
  return named;
}

// An image goes when the last version that names it is kept no longer.
void HostOperator::release_images(const std::set<std::string>& digests) {
  const std::lock_guard lock(mutex_);
  const std::set<std::string> named = named_images();
  for (const std::string& digest : digests) {
    if (!named.contains(digest)) household_.images.release(digest);
  }
}

Collected HostOperator::collect_garbage() {
  Collected collected;
  collected.unread = household_.store.set_aside();
  std::future<image::Freed> freed;
  {
    const std::lock_guard lock(mutex_);
    std::optional<std::set<std::string>> named;
    if (collected.unread.empty()) named = named_images();
    freed = household_.images.collect(named);
  }
  collected.freed = freed.get();
  return collected;
}

FunctionStatus HostOperator::status_of(const Entry& entry) const {
  FunctionStatus status;
  status.function = entry.blueprint->function;
  if (status.function.launcher.empty())
    status.function.launcher = household_.launchers.default_name();
  status.host_ids = household_.addresses.subnet().host_ids(status.function.address);
  status.image = entry.blueprint->image;
  status.kept_versions = 1 + entry.previous.size();
  return status;
}

std::optional<FunctionStatus> HostOperator::find(const std::string& name) {
  FunctionStatus status;
  {
    const std::lock_guard lock(mutex_);
    const auto it = entries_.find(name);
    if (it != entries_.end()) status = status_of(it->second);
  }
  if (!status.image) {
    if (unrestored_of(name)) not_found(name);
    return std::nullopt;
  }
  add_counts(status, household_.loop.call([&] { return household_.dispatcher.counts(name); }));
  return status;
}

std::vector<FunctionStatus> HostOperator::list() {
  std::vector<FunctionStatus> functions;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, entry] : entries_) functions.push_back(status_of(entry));
  }
  household_.loop.call([&] {
    for (FunctionStatus& status : functions) {
      add_counts(status, household_.dispatcher.counts(status.function.name));
    }
  });
  return functions;
}

std::vector<function::Version> HostOperator::versions(const std::string& name) {
  std::optional<function::History> history = history_of(name);
  if (!history) not_found(name);
  std::vector<function::Version> versions = std::move(history->previous);
  versions.insert(versions.begin(), history->current);
  for (function::Version& version : versions) {
    if (version.launcher.empty()) version.launcher = household_.launchers.default_name();
  }
  return versions;
}

std::shared_ptr<journal::Book> HostOperator::book(const std::string& name) {
  // Its name is not held: who looks does not wait for a deploy or a removal.
  if (!history_of(name)) not_found(name);
  return household_.journal.book(name);
}

}  // namespace control
