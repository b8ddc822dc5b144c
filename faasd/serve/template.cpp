#include "faasd/serve/template.h"

#include <fcntl.h>

#include <cstdio>
#include <exception>

#include "oci/runtime/container_places.h"
#include "oci/sys/error.h"
#include "oci/sys/program.h"

namespace serve {

using instance::Instance;
using instance::Outcome;

namespace {

sys::UniqueFd duplicate(int fd) {
  sys::UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) sys::throw_errno("duplicate a descriptor");
  return copy;
}

// What it says of itself counts only if it came to say it.
bool had_its_say(Outcome outcome) {
  return outcome == Outcome::ok || outcome == Outcome::exit;
}

}  // namespace

Template::Template(const instance::Workshop& workshop,
                   std::shared_ptr<const instance::Blueprint> blueprint,
                   std::shared_ptr<journal::Book> book, PoolTotals& totals,
                   std::function<void()> on_change)
    : workshop_(workshop),
      blueprint_(std::move(blueprint)),
      book_(std::move(book)),
      totals_(totals),
      on_change_(std::move(on_change)) {}

Template::~Template() {
  drop();
}

void Template::replace(std::shared_ptr<const instance::Blueprint> blueprint) {
  blueprint_ = std::move(blueprint);
  pause_.forget();
  failure_.clear();
  wanted_ = false;
  drop();
  if (instance_) instance_->kill(Outcome::refused, "its function was replaced");
}

void Template::close() {
  closed_ = true;
  drop();
  if (instance_) instance_->kill(Outcome::refused, "its function is served no more");
}

void Template::drop() {
  branch_.reset();
  memory_bytes_ = 0;
}

bool Template::is_wanted() const {
  return wanted_ && !closed_ && !branch_ && !instance_ && pause_.is_over();
}

void Template::make() {
  wanted_ = false;
  ended_badly_.clear();
  made_of_ = blueprint_;
  // What it writes counts as well as what it has.
  auto twice = std::make_shared<instance::Blueprint>(*made_of_);
  twice->container.resources.memory_bytes *= 2;
  Instance::Callbacks callbacks;
  callbacks.launched = [this] { --totals_.launching; };
  callbacks.parked = [this] { take_snapshot(); };
  callbacks.ended = [this](sys::UniqueFd, const instance::Receipt& receipt) {
    if (!had_its_say(receipt.outcome)) ended_badly_ = receipt.reason;
  };
  callbacks.gone = [this] { on_gone(); };
  try {
    const std::string id = made_of_->launcher->next_id(made_of_->container.ids);
    file_ = std::make_unique<runtime::Snapshot>(sys::find_own_program(runtime::kFreezer));
    instance_ = std::make_unique<Instance>(workshop_, std::move(twice), book_, id,
                                           instance::Start::warm, std::move(callbacks));
  } catch (const std::exception& error) {
    file_.reset();
    made_of_.reset();
    return fail(error.what());
  }
  ++totals_.launching;
  ++totals_.instances;
}

void Template::take_snapshot() {
  try {
    instance_->freeze(duplicate(file_->fd()));
  } catch (const std::exception& error) {
    instance_->kill(Outcome::refused, error.what());
  }
}

// Only now does nobody write to it any more.
void Template::on_gone() {
  // Its callbacks, and with them this very call, go with it: not before the end.
  const std::unique_ptr<Instance> gone = std::move(instance_);
  --totals_.instances;
  if (!closed_ && made_of_ == blueprint_) {
    try {
      if (!ended_badly_.empty()) {
        throw sys::Refused(sys::Refusal::failed, "no_snapshot", ended_badly_);
      }
      file_->seal();
      begin_branches();
    } catch (const std::exception& error) {
      fail(error.what());
    }
  }
  file_.reset();
  made_of_.reset();
  on_change_();
}

void Template::begin_branches() {
  auto branch = std::make_shared<instance::Blueprint>(*blueprint_);
  branch->container.executor = sys::find_own_program(runtime::kRestorer);
  branch->container.args.front() = runtime::kExecutor;
  const std::uint64_t bytes = file_->memory_bytes();
  totals_.snapshot_bytes += bytes;
  // Containers that began with it may be the last who have it.
  const auto forget = [bytes, &totals = totals_](const runtime::Snapshot* last) {
    totals.snapshot_bytes -= bytes;
    delete last;
  };
  branch->container.snapshot = std::shared_ptr<const runtime::Snapshot>(file_.release(), forget);
  branch_ = std::move(branch);
  memory_bytes_ = bytes;
  failure_.clear();
  workshop_.log.info("snapshot_ready",
                     {{"function", blueprint_->function.name}, {"bytes", memory_bytes_}});
}

void Template::give_up(const std::string& reason) {
  if (!branch_) return;
  drop();
  fail("it was given up: " + reason);
}

void Template::fail(const std::string& reason) {
  failure_ = reason;
  workshop_.log.warn("snapshot_failed", {{"function", blueprint_->function.name},
                                         {"reason", reason},
                                         {"pause_ms", pause_.begin().count()}});
}

std::string Template::describe() const {
  if (branch_) {
    constexpr double kMiB = 1 << 20;
    char text[64];
    std::snprintf(text, sizeof text, "ready, %.1f MiB", static_cast<double>(memory_bytes_) / kMiB);
    return text;
  }
  if (instance_ || is_wanted()) return "being made";
  return failure_.empty() ? "none yet; it comes with the first connection" : "none: " + failure_;
}

}  // namespace serve
