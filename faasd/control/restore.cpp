// HostOperator::restore: what the files say becomes what is served.
#include <nlohmann/json.hpp>

#include "faasd/control/host_operator.h"
#include "faasd/function/bounds.h"

namespace control {

void HostOperator::restore() {
  const std::vector<function::History> histories = household_.store.load();
  const std::set<sys::Ipv4> present = sys::present_addresses();
  for (const function::History& history : histories) {
    const function::Function& function = history.current;
    try {
      restore_one(history, present);
    } catch (const std::exception& error) {
      household_.addresses.reserve(function.address);
      unrestored_[function.name] = history;
      household_.log.error("function_not_restored",
                           {{"function", function.name}, {"reason", error.what()}});
    }
  }
  household_.log.info("restored", {{"functions", entries_.size()}, {"recorded", histories.size()}});
  release_orphans();
  forget_strangers();
}

void HostOperator::restore_one(const function::History& recorded,
                               const std::set<sys::Ipv4>& present) {
  function::Function function = recorded.current;
  function.port = defaults_.port;  // the daemon's to choose, anew at each start
  std::shared_ptr<const image::Image> image = household_.images.open(function.image);
  function::AddressLease lease = household_.addresses.lease(function.address, present);
  const auto blueprint = make_blueprint(function, std::move(image));
  household_.dispatcher.install(blueprint, listen_for(function));
  entries_[function.name] = {blueprint, std::move(lease), recorded.previous};
}

// A crash between removing a function and its journal leaves one that nobody can look at. That of a
// function whose file is set aside is its again when it is mended.
void HostOperator::forget_strangers() {
  std::set<std::string> functions;
  for (const auto& [name, entry] : entries_) functions.insert(name);
  for (const auto& [name, history] : unrestored_) functions.insert(name);
  constexpr std::string_view kEnding = ".json.corrupt";
  for (const std::string& file : household_.store.set_aside()) {
    functions.insert(file.substr(0, file.size() - kEnding.size()));
  }
  household_.journal.keep_only(functions);
}

// A crash between publishing an image and recording its function leaves one that nobody names.
void HostOperator::release_orphans() {
  std::string unread;
  for (const std::string& file : household_.store.set_aside()) unread += " " + file;
  if (!unread.empty()) {
    household_.log.warn("images_kept",
                        {{"reason", "these functions' images are not known:" + unread +
                                        "; mend or remove the files, and restart"}});
    return;
  }
  const std::lock_guard lock(mutex_);
  household_.images.release_all_but(named_images());
}

}  // namespace control
