#include "faasd/control/shutdown.h"

#include <cstring>

#include "faasd/function/bounds.h"

namespace control {

Shutdown::Shutdown(sys::EventLoop& loop, const sys::Log& log, serve::Dispatcher& dispatcher,
                   std::chrono::milliseconds drain_timeout, std::function<void()> begun)
    : loop_(loop),
      log_(log),
      dispatcher_(dispatcher),
      drain_timeout_(drain_timeout),
      begun_(std::move(begun)) {}

void Shutdown::on_signal(int signal_number) {
  if (draining_) return end_all("a second signal");
  draining_ = true;
  log_.info("draining",
            {{"signal", ::strsignal(signal_number)}, {"timeout_ms", drain_timeout_.count()}});
  begun_();
  timer_ = loop_.after(drain_timeout_, [this] { end_all("the drain timeout is over"); });
  dispatcher_.drain([this] { loop_.stop(); });
}

void Shutdown::end_all(const std::string& why) {
  if (std::exchange(ending_, true)) return;
  log_.warn("drain_cut_short", {{"reason", why}});
  // What cannot even be killed does not keep us: the next start of the daemon sweeps it.
  timer_ = loop_.after(function::bounds::kSweepPatience, [this] { loop_.stop(); });
  dispatcher_.end_all("faasd is shutting down");
}

}  // namespace control
