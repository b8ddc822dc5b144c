#include "faasd/serve/listener.h"

#include <sys/epoll.h>

#include "faasd/function/bounds.h"
#include "oci/sys/socket.h"

namespace serve {

using function::bounds::kAcceptPause;
using function::bounds::kAcceptsPerTurn;
using function::bounds::kListenBacklog;

Listener::Listener(sys::EventLoop& loop, const sys::Log& log, std::string function,
                   sys::UniqueFd fd, std::function<void(sys::UniqueFd)> on_connection)
    : loop_(loop),
      log_(log),
      function_(std::move(function)),
      fd_(std::move(fd)),
      on_connection_(std::move(on_connection)) {
  start_watching();
}

void Listener::start_watching() {
  watch_ = loop_.watch(fd_.get(), EPOLLIN, [this](auto) { accept_some(); });
}

void Listener::accept_pending() {
  for (int turn = 0; turn * kAcceptsPerTurn < kListenBacklog && accept_some(); ++turn) {
  }
}

bool Listener::accept_some() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sys::Accepted accepted = sys::accept_connection(fd_.get());
    if (accepted.fd) {
      on_connection_(std::move(accepted.fd));
      continue;
    }
    if (accepted.error == sys::AcceptError::no_room) {
      // The connection stays in the backlog and the listener readable: without a pause we would
      // spin.
      log_.warn("accept_paused",
                {{"function", function_}, {"reason", "no file descriptors or memory left"}});
      watch_.reset();
      pause_ = loop_.after(kAcceptPause, [this] { start_watching(); });
    }
    return false;
  }
  return true;
}

}  // namespace serve
