// Runs scripts and programs as instances of the functions that are languages. HTTP threads call it;
// thread-safe. Outlives every Audience, and is outlived by the loop and the Dispatcher.
#pragma once

#include <chrono>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "faasd/function/function.h"
#include "faasd/script/bounds.h"
#include "faasd/script/conversation.h"
#include "faasd/script/run.h"
#include "faasd/serve/dispatcher.h"
#include "oci/sys/event_loop.h"

namespace script {

// Somebody who waits for a run, or follows it. A run that nobody has been with for a moment is
// stopped. One thread.
class Audience {
 public:
  Audience(sys::EventLoop& loop, std::shared_ptr<Run> run,
           std::weak_ptr<Conversation> conversation);
  ~Audience();
  Audience(const Audience&) = delete;
  Audience& operator=(const Audience&) = delete;

  const Run& run() const noexcept { return *run_; }
  // For good, without waiting for anybody to come back.
  void stop(instance::Outcome outcome, const std::string& reason);

 private:
  friend class Runner;

  sys::EventLoop& loop_;
  std::shared_ptr<Run> run_;
  std::weak_ptr<Conversation> conversation_;
};

// The HTTP request that what runs inside takes.
std::string post(std::string_view path, const std::string& json);

class Runner {
 public:
  Runner(sys::EventLoop& loop, serve::Dispatcher& dispatcher)
      : loop_(loop), dispatcher_(dispatcher) {}

  // All that there are, by name and version, the newest first.
  std::vector<function::Function> languages() const;
  // The newest that is called so. Throws sys::Refused(invalid, "unknown_language").
  function::Function find(const std::string& language) const;
  // The newest whose version is selected, too: semver.h. Empty if there is none.
  std::optional<function::Function> look_for(const std::string& language,
                                             std::string_view selector) const;

  // Has `function` serve one HTTP request. Throws sys::Refused.
  std::unique_ptr<Audience> start(const std::string& function, std::string request,
                                  const Terms& terms);
  // From now on, and for a while after its end, `rejoin` finds it.
  void keep(const Audience& audience);
  // What all requests take of memory; bounds::kMaxRequestBytes.
  Share room_for_request() const { return Share(requests_); }
  // Throws sys::Refused(unavailable, "no_room"), of such a share.
  [[noreturn]] static void refuse_for_room();
  // Empty if there is none (any more). Throws sys::Refused(unavailable, "too_many_readers").
  std::unique_ptr<Audience> rejoin(const std::string& run);

 private:
  struct Kept {
    std::shared_ptr<Run> run;
    std::weak_ptr<Conversation> conversation;
  };

  void drop_old();
  std::shared_ptr<Budget> budget_of(const std::string& function);

  sys::EventLoop& loop_;
  serve::Dispatcher& dispatcher_;
  const std::shared_ptr<Budget> budget_ = std::make_shared<Budget>(bounds::kMaxKeptBytes);
  const std::shared_ptr<Budget> requests_ = std::make_shared<Budget>(bounds::kMaxRequestBytes);
  std::mutex mutex_;                                      // guards the below
  std::map<std::string, std::weak_ptr<Budget>> budgets_;  // of functions that have runs
  std::list<Kept> kept_;                                  // the newest first
};

}  // namespace script
