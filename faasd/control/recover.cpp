#include "faasd/control/recover.h"

#include <future>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "faasd/instance/leftover.h"
#include "oci/sys/file.h"

namespace control {
namespace {

// As many as may have been written while instances were being swept.
constexpr std::size_t kLatest = 4096;

// The daemon may have died between a receipt and the end of the sweep.
std::set<std::string> with_receipt(journal::Book& book) {
  std::set<std::string> instances;
  for (const std::string& text : book.tail(journal::Kind::receipts, kLatest)) {
    const auto receipt = nlohmann::json::parse(text, nullptr, false);
    const auto id = receipt.find("instance");
    if (id != receipt.end() && id->is_string()) instances.insert(id->get<std::string>());
  }
  return instances;
}

// Writes the receipts that are owed for leftovers.
class Bookkeeper {
 public:
  Bookkeeper(const instance::Workshop& workshop, const runtime::OciLauncher& launcher)
      : workshop_(workshop), launcher_(launcher) {}

  // Before it is swept: what it has cost goes with its cgroup.
  void record(const std::string& id) {
    std::optional<instance::Receipt> receipt =
        instance::receipt_of_leftover(workshop_.bundles_dir / id);
    if (!receipt) return;
    const std::shared_ptr<journal::Book> book = workshop_.journal.book(receipt->function);
    const auto [known, added] = done_.try_emplace(receipt->function);
    if (added) known->second = with_receipt(*book);
    if (known->second.contains(id)) return;
    if (receipt->launcher.empty()) receipt->launcher = launcher_.name();
    receipt->usage = workshop_.cgroups.usage(id);
    instance::record(workshop_.log, *book, *receipt);
  }

 private:
  const instance::Workshop& workshop_;
  const runtime::OciLauncher& launcher_;
  std::map<std::string, std::set<std::string>> done_;  // instances with a receipt, by function
};

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

  Bookkeeper bookkeeper(workshop, launcher);
  for (const std::string& id : ids) {
    bookkeeper.record(id);
    sweep(workshop, launcher, id);
  }
  const std::size_t removed = addresses.remove_leftovers();
  if (!ids.empty() || removed > 0) {
    workshop.log.warn("leftovers_removed", {{"instances", ids.size()}, {"addresses", removed}});
  }
}

}  // namespace control
