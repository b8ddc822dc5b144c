#include "faasd/instance/receipt.h"

namespace instance {

std::string_view to_word(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "ok";
    case Outcome::exit:
      return "exit";
    case Outcome::signal:
      return "signal";
    case Outcome::timeout:
      return "timeout";
    case Outcome::launch_failed:
      return "launch_failed";
    case Outcome::refused:
      return "refused";
  }
  return "unknown";
}

void log_receipt(const sys::Log& log, const Receipt& r) {
  log.info("receipt", {{"function", r.function},
                       {"instance", r.instance},
                       {"version", r.version},
                       {"image", r.image},
                       {"launcher", r.launcher},
                       {"start", r.warm ? "warm" : "cold"},
                       {"queue_ms", r.queue.count()},
                       {"launch_ms", r.launch.count()},
                       {"run_ms", r.run.count()},
                       {"outcome", to_word(r.outcome)},
                       {"exit_code", r.exit_code},
                       {"signal", r.signal},
                       {"reason", r.reason}});
}

}  // namespace instance
