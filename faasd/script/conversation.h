// faasd's end of the socket pair that an instance serves: writes the request, reads what comes back
// until it ends, and tells a Run what the instance writes to stdout and stderr. Reads no meaning
// into any of it; that is for the thread that waits. Owned by the Dispatcher until its end, and by
// the Runner's timers; event-loop thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "faasd/script/run.h"
#include "faasd/serve/client.h"
#include "faasd/serve/dispatcher.h"
#include "oci/sys/event_loop.h"
#include "oci/sys/unique_fd.h"

namespace script {

// What of a run is not as its function has it.
struct Terms {
  std::size_t output_bytes = 0;  // kept for the client
  bool ends_when_full = false;   // instead of going on with what it writes dropped
  std::function<void(instance::Blueprint&)> adapt = {};
};

class Conversation : public serve::Caller, public std::enable_shared_from_this<Conversation> {
 public:
  // `room` is what the request takes; it goes with it.
  Conversation(sys::EventLoop& loop, serve::Dispatcher& dispatcher, std::shared_ptr<Run> run,
               std::string request, Share room, bool ends_when_full);

  // Once. Throws what Dispatcher::call throws; then it has not begun.
  void begin(const std::string& function, const Terms& terms);
  // Somebody hears what it says; nobody any more, for now or for good.
  void attach();
  void detach();
  void stop(instance::Outcome outcome, const std::string& reason);

  void on_start(const std::string& instance) override { instance_ = instance; }
  void on_output(instance::Stream stream, std::string_view bytes) override;
  void on_end(instance::Receipt& receipt) override;

 private:
  void on_ready(sys::EventLoop::Events events);
  void write_some();
  bool read_some();         // false when there is nothing (more)
  bool cut_reply(Cut why);  // false
  void drop_request();
  void close();

  sys::EventLoop& loop_;
  serve::Dispatcher& dispatcher_;
  std::shared_ptr<Run> run_;
  std::string request_;
  Share request_room_;
  std::size_t written_ = 0;
  std::string reply_;
  Cut reply_cut_ = Cut::none;
  bool ends_when_full_;
  bool ended_ = false;
  std::size_t listeners_ = 0;
  std::string instance_;
  sys::UniqueFd socket_;
  sys::EventLoop::Watch watch_;
  sys::EventLoop::Timer rest_;      // after the reply
  sys::EventLoop::Timer patience_;  // without a client
};

}  // namespace script
