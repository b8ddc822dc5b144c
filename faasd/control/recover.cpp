#include "faasd/control/recover.h"

#include <future>
#include <set>
#include <string>

#include "oci/sys/file.h"

namespace control {

void remove_leftovers(const Leftovers& leftovers, const sys::Log& log) {
  // First: a runtime in the middle of a launch would otherwise finish it behind our back.
  leftovers.launcher.kill_orphans();

  std::set<std::string> ids;
  for (std::string& id : sys::list_directory(leftovers.bundles_dir)) ids.insert(std::move(id));
  for (std::string& id : leftovers.launcher.list()) ids.insert(std::move(id));
  for (std::string& id : leftovers.cgroups.list()) ids.insert(std::move(id));

  for (const std::string& id : ids) {
    std::promise<void> swept;
    instance::Remains remains;
    remains.id = id;
    remains.launcher = &leftovers.launcher;
    leftovers.sweeper.sweep(std::move(remains), [&swept] { swept.set_value(); });
    swept.get_future().wait();
    sys::remove_tree(leftovers.bundles_dir / id);
  }
  const std::size_t addresses = leftovers.addresses.remove_leftovers();
  if (!ids.empty() || addresses > 0) {
    log.warn("leftovers_removed", {{"instances", ids.size()}, {"addresses", addresses}});
  }
}

}  // namespace control
