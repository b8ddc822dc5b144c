#include "faasd/instance/handoff.h"

#include <sys/epoll.h>

#include "oci/sys/socket.h"

namespace instance {
namespace {

// The messages that carry the descriptor. A descriptor needs at least one byte to ride on, and
// handlers check for these.
constexpr std::string_view kConnection = "SOCKET";
constexpr std::string_view kSnapshot = "SNAPSHOT";

}  // namespace

Handoff::Handoff(sys::EventLoop& loop, sys::UniqueFd control_listener, Callbacks callbacks)
    : loop_(loop),
      callbacks_(std::move(callbacks)),
      listener_(std::move(control_listener)),
      message_(kConnection) {
  watch_ = loop_.watch(listener_.get(), EPOLLIN, [this](auto) { accept_handler(); });
}

void Handoff::give(sys::UniqueFd client) {
  client_ = std::move(client);
  if (control_) send();
}

void Handoff::give_snapshot(sys::UniqueFd file) {
  message_ = kSnapshot;
  give(std::move(file));
}

void Handoff::accept_handler() {
  sys::Accepted accepted = sys::accept_connection(listener_.get());
  if (!accepted.fd) return;
  // One connection is all there is: a second connect(2) is refused from now on.
  watch_.reset();
  listener_.reset();
  control_ = std::move(accepted.fd);
  if (client_) {
    send();
  } else {
    // Nothing is asked for: only its leaving wakes us while it is parked.
    watch_ = loop_.watch(control_.get(), 0, [this](auto) { leave(); });
  }
  callbacks_.connected();
}

void Handoff::leave() {
  watch_.reset();
  control_.reset();
  const std::function<void()> left = callbacks_.left;  // which may end us
  left();
}

void Handoff::send() {
  if (sent_) return;
  sent_ = true;
  if (!sys::send_descriptor(control_.get(), message_, client_.get())) {
    leave();
    return;
  }
  watch_.reset();
  // Edge-triggered: the kernel reports "writable" anew each time the peer has consumed a message.
  watch_ = loop_.watch(control_.get(), EPOLLOUT | EPOLLET, [this](auto) { check_delivery(); });
}

void Handoff::settle() {
  if (sent_ && control_) check_delivery();
}

void Handoff::check_delivery() {
  switch (sys::delivery(control_.get())) {
    case sys::Delivery::pending:
      return;
    case sys::Delivery::refused:
      // It closed /control.sock with the message unread: the client is still ours.
      leave();
      return;
    case sys::Delivery::taken:
      watch_.reset();
      control_.reset();
      sys::close_without_linger(client_);
      callbacks_.taken();
      return;
  }
}

}  // namespace instance
