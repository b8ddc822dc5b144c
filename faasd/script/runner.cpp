#include "faasd/script/runner.h"

#include <algorithm>

#include "faasd/script/bounds.h"
#include "faasd/script/semver.h"
#include "oci/sys/error.h"

namespace script {

std::string post(std::string_view path, const std::string& json) {
  const std::string head =
      "POST " + std::string(path) +
      " HTTP/1.1\r\nHost: script\r\nContent-Type: application/json\r\nContent-Length: " +
      std::to_string(json.size()) + "\r\nConnection: close\r\n\r\n";
  std::string request;
  request.reserve(head.size() + json.size());
  return request.append(head).append(json);
}

Audience::Audience(sys::EventLoop& loop, std::shared_ptr<Run> run,
                   std::weak_ptr<Conversation> conversation)
    : loop_(loop), run_(std::move(run)), conversation_(std::move(conversation)) {
  run_->add_audience();
  loop_.post([weak = conversation_] {
    if (const auto there = weak.lock()) there->attach();
  });
}

Audience::~Audience() {
  run_->remove_audience();
  loop_.post([weak = conversation_] {
    if (const auto there = weak.lock()) there->detach();
  });
}

void Audience::stop(instance::Outcome outcome, const std::string& reason) {
  loop_.post([weak = conversation_, outcome, reason] {
    if (const auto there = weak.lock()) there->stop(outcome, reason);
  });
}

std::vector<function::Function> Runner::languages() const {
  std::vector<function::Function> found = loop_.call([this] { return dispatcher_.languages(); });
  std::sort(found.begin(), found.end(), [](const auto& left, const auto& right) {
    if (left.language->name != right.language->name) {
      return left.language->name < right.language->name;
    }
    return compare_versions(left.language->version, right.language->version) > 0;
  });
  return found;
}

std::optional<function::Function> Runner::look_for(const std::string& language,
                                                   std::string_view selector) const {
  // A name of one is not an alias of another: names first.
  const std::vector<function::Function> all = languages();
  for (const bool by_name : {true, false}) {
    for (const function::Function& each : all) {
      const bool called =
          by_name ? each.language->name == language : each.language->is_called(language);
      if (called && selects(selector, each.language->version)) return each;
    }
  }
  return std::nullopt;
}

function::Function Runner::find(const std::string& language) const {
  if (std::optional<function::Function> found = look_for(language, "*")) return *found;
  throw sys::Refused(sys::Refusal::invalid, "unknown_language",
                     "there is no language '" + language +
                         "' here; `faas runtime list` shows those there are, and `faas runtime "
                         "install` adds one");
}

std::unique_ptr<Audience> Runner::start(const std::string& function, std::string request,
                                        const Terms& terms) {
  Share room = room_for_request();
  if (!room.take(request.size())) refuse_for_room();
  auto run = std::make_shared<Run>(terms.output_bytes, budget_of(function));
  auto conversation = std::make_shared<Conversation>(loop_, dispatcher_, run, std::move(request),
                                                     std::move(room), terms.ends_when_full);
  loop_.call([&] { conversation->begin(function, terms); });
  return std::make_unique<Audience>(loop_, std::move(run), conversation);
}

std::shared_ptr<Budget> Runner::budget_of(const std::string& function) {
  const std::lock_guard lock(mutex_);
  std::erase_if(budgets_, [](const auto& each) { return each.second.expired(); });
  std::weak_ptr<Budget>& known = budgets_[function];
  std::shared_ptr<Budget> budget = known.lock();
  if (!budget) known = budget = std::make_shared<Budget>(bounds::kMaxKeptOfFunction, budget_);
  return budget;
}

void Runner::refuse_for_room() {
  throw sys::Refused(sys::Refusal::unavailable, "no_room",
                     "the requests that are here at once have more than " +
                         std::to_string(bounds::kMaxRequestBytes) + " bytes; try again");
}

void Runner::keep(const Audience& audience) {
  const std::lock_guard lock(mutex_);
  drop_old();
  kept_.push_front({audience.run_, audience.conversation_});
}

std::unique_ptr<Audience> Runner::rejoin(const std::string& run) {
  const std::lock_guard lock(mutex_);
  drop_old();
  for (const Kept& kept : kept_) {
    if (kept.run->id() != run) continue;
    if (kept.run->audiences() >= bounds::kMaxAudiences) {
      throw sys::Refused(sys::Refusal::unavailable, "too_many_readers",
                         "this run has " + std::to_string(bounds::kMaxAudiences) +
                             " readers at once, and takes no more");
    }
    return std::make_unique<Audience>(loop_, kept.run, kept.conversation);
  }
  return nullptr;
}

void Runner::drop_old() {
  const auto now = std::chrono::steady_clock::now();
  std::size_t bytes = 0;
  for (auto it = kept_.begin(); it != kept_.end();) {
    const auto ended_at = it->run->ended_at();
    if (ended_at) bytes += it->run->bytes();
    const bool old =
        ended_at && (now - *ended_at > bounds::kKeepEnded || bytes > bounds::kKeepBytes);
    it = old ? kept_.erase(it) : std::next(it);
  }
}

}  // namespace script
