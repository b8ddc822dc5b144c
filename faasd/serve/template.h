// Of a branched function: one instance that is launched as all others, does what comes before a
// connection, writes its memory to a snapshot and ends. Those that come after it begin with that
// memory instead of with their program; each has it to itself. Made when one is asked for, at most
// once at a time. Owned by the Dispatcher's service, on the event-loop thread. docs/BRANCHES.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "faasd/instance/instance.h"
#include "faasd/serve/pause.h"
#include "faasd/serve/pool_totals.h"
#include "oci/runtime/snapshot.h"

namespace serve {

class Template {
 public:
  // `on_change` is called when there is a snapshot, or is none after all. All outlive this.
  Template(const instance::Workshop& workshop, std::shared_ptr<const instance::Blueprint> blueprint,
           std::shared_ptr<journal::Book> book, PoolTotals& totals,
           std::function<void()> on_change);
  ~Template();
  Template(const Template&) = delete;
  Template& operator=(const Template&) = delete;

  void replace(std::shared_ptr<const instance::Blueprint> blueprint);
  // The snapshot goes, and none is made.
  void close();

  // What to launch: from the snapshot if there is one, as the function's image says if not.
  const std::shared_ptr<const instance::Blueprint>& blueprint() const noexcept {
    return branch_ ? branch_ : blueprint_;
  }

  // Somebody would have had use for it.
  void want() noexcept { wanted_ = true; }
  // Whether it is to be made now.
  bool is_wanted() const;
  // Begins. Throws nothing: what comes of a failure is a pause.
  void make();
  // A container that began with it has taken its connection: it is good.
  void proved() { pause_.forget(); }
  // It is of no use; until the next one is made, containers begin with their program.
  void give_up(const std::string& reason);

  // Of the snapshot; 0 if there is none.
  std::uint64_t memory_bytes() const noexcept { return memory_bytes_; }
  // For people: "ready, 9.8 MiB", or why there is none.
  std::string describe() const;
  // Nothing of it is at work.
  bool is_empty() const noexcept { return !instance_; }

 private:
  void drop();
  void fail(const std::string& reason);
  void on_gone();
  void take_snapshot();
  void begin_branches();

  const instance::Workshop& workshop_;
  std::shared_ptr<const instance::Blueprint> blueprint_;
  std::shared_ptr<journal::Book> book_;
  PoolTotals& totals_;
  std::function<void()> on_change_;
  bool wanted_ = false;
  bool closed_ = false;

  // While it is made.
  std::unique_ptr<instance::Instance> instance_;
  std::shared_ptr<const instance::Blueprint> made_of_;
  std::unique_ptr<runtime::Snapshot> file_;
  std::string ended_badly_;

  std::shared_ptr<const instance::Blueprint> branch_;
  std::uint64_t memory_bytes_ = 0;
  std::string failure_;
  Pause pause_;
};

}  // namespace serve
