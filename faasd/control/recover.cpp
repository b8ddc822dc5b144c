#include "faasd/control/recover.h"

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "faasd/instance/leftover.h"
#include "oci/sys/file.h"

namespace control {
namespace {

// As many as may have been written while the instance was being swept.
constexpr std::size_t kLatest = 4096;

// The daemon may have died between the receipt and the end of the sweep.
bool has_receipt(journal::Book& book, const std::string& id) {
  const std::string member = "\"instance\":\"" + id + "\"";
  const std::vector<std::string> latest = book.tail(journal::Kind::receipts, kLatest);
  return std::any_of(latest.begin(), latest.end(), [&](const std::string& receipt) {
    return receipt.find(member) != std::string::npos;
  });
}

// Before it is swept: what it has cost goes with its cgroup.
void record(const instance::Workshop& workshop, const runtime::OciLauncher& launcher,
            const std::string& id) {
  std::optional<instance::Receipt> receipt =
      instance::receipt_of_leftover(workshop.bundles_dir / id);
  if (!receipt) return;
  const std::shared_ptr<journal::Book> book = workshop.journal.book(receipt->function);
  if (has_receipt(*book, id)) return;
  receipt->launcher = launcher.name();
  receipt->usage = workshop.cgroups.usage(id);
  instance::record(workshop.log, *book, *receipt);
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
