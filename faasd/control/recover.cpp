#include "faasd/control/recover.h"

#include <future>
#include <optional>
#include <set>
#include <string>

#include "faasd/instance/leftover.h"
#include "oci/sys/file.h"

namespace control {
namespace {

// Before it is swept: what it has cost goes with its cgroup.
void record(const instance::Workshop& workshop, const runtime::OciLauncher& launcher,
            const std::string& id) {
  std::optional<instance::Receipt> receipt =
      instance::receipt_of_leftover(workshop.bundles_dir / id);
  if (!receipt) return;
  receipt->launcher = launcher.name();
  receipt->usage = workshop.cgroups.usage(id);
  instance::record(workshop.log, *workshop.journal.book(receipt->function), *receipt);
}

void sweep(const instance::Workshop& workshop, runtime::OciLauncher& launcher,
           const std::string& id) {
  std::promise<void> swept;
  instance::Remains remains;
  remains.id = id;
  remains.launcher = &launcher;
  workshop.sweeper.sweep(std::move(remains), [&swept] { swept.set_value(); });
  swept.get_future().wait();
  sys::remove_tree(workshop.bundles_dir / id);
}

}  // namespace

void remove_leftovers(const instance::Workshop& workshop, runtime::OciLauncher& launcher,
                      function::AddressPool& addresses) {
  // First: a runtime in the middle of a launch would otherwise finish it behind our back.
  launcher.kill_orphans();

  std::set<std::string> ids;
  for (std::string& id : sys::list_directory(workshop.bundles_dir)) ids.insert(std::move(id));
  for (std::string& id : launcher.list()) ids.insert(std::move(id));
  for (std::string& id : workshop.cgroups.list()) ids.insert(std::move(id));

  for (const std::string& id : ids) {
    record(workshop, launcher, id);
    sweep(workshop, launcher, id);
  }
  const std::size_t removed = addresses.remove_leftovers();
  if (!ids.empty() || removed > 0) {
    workshop.log.warn("leftovers_removed", {{"instances", ids.size()}, {"addresses", removed}});
  }
}

}  // namespace control
