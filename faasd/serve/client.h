// Who is to be served: a connection over TCP, or faasd itself, which has the other end of a socket
// pair and hears how its call goes. Moved, never copied.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "faasd/instance/instance.h"
#include "oci/sys/unique_fd.h"

namespace serve {

// On the event-loop thread; throws nothing. Kept until `on_end` has been called.
class Caller {
 public:
  virtual ~Caller() = default;
  // An instance is being launched for it.
  virtual void on_start(const std::string& instance) = 0;
  // What the instance writes, as it comes.
  virtual void on_output(instance::Stream stream, std::string_view bytes) = 0;
  // Always, once, and last: the instance is no more, or there was none. If no instance has had the
  // socket, it has the daemon's answer in it (answer.h). `traffic` is the caller's to fill in.
  virtual void on_end(instance::Receipt& receipt) = 0;
};

struct Client {
  sys::UniqueFd socket;            // which the instance gets
  std::shared_ptr<Caller> caller;  // empty: somebody on TCP
  // Makes of the deployed blueprint one for this call alone; empty: as it was deployed.
  std::function<void(instance::Blueprint&)> adapt;
};

}  // namespace serve
