#include "oci/runtime/native/slot_link.h"

#include <sys/epoll.h>

#include <csignal>
#include <exception>
#include <utility>

#include "oci/runtime/native/orders.h"
#include "oci/sys/fd_message.h"
#include "oci/sys/pidfd.h"
#include "oci/sys/socket.h"
#include "oci/sys/subprocess.h"

namespace runtime::native {

SlotLink::SlotLink(sys::EventLoop& loop, Bundle bundle, sys::IdMaps ids, sys::UniqueFd socket)
    : id_(bundle.id()),
      bundle_(std::move(bundle)),
      ids_(std::move(ids)),
      socket_(std::move(socket)),
      watch_(loop.watch(socket_.get(), EPOLLIN, [this](auto) { on_event(); })) {}

SlotLink::~SlotLink() {
  end();
  is_gone();  // takes its exit, if it has one
}

bool SlotLink::is_lost() const noexcept {
  return lost_ || (pidfd_ && sys::has_ended(pidfd_.get()));
}

bool SlotLink::launch(std::string_view order, std::span<const int> fds, Callbacks callbacks) {
  if (lost_) return false;
  if (!sys::send_fd_message(socket_.get(), order, fds)) {
    hear_the_rest();
    return false;
  }
  callbacks_ = std::move(callbacks);
  return true;
}

// The socket stays open, for what is not yet born; what is waits on it in vain, or is killed.
void SlotLink::end() noexcept {
  watch_.reset();
  callbacks_ = {};
  lost_callback_ = {};
  sys::shutdown_write(socket_.get());
  if (pidfd_) sys::send_signal(pidfd_.get(), SIGKILL);
}

bool SlotLink::is_gone() noexcept {
  if (!hear_of_birth()) return lost_;
  try {
    if (pidfd_ && sys::poll_exit(pidfd_.get())) pidfd_.reset();
  } catch (const std::exception&) {
    pidfd_.reset();
  }
  return !pidfd_;
}

// After `end`: what was ordered comes to be, however late, unless the launcher itself has ended.
bool SlotLink::hear_of_birth() noexcept {
  sys::FdMessage message;
  while (!born_ && !lost_) {
    try {
      const sys::Arrival arrival =
          sys::receive_fd_message(socket_.get(), kMaxReport, false, message);
      if (arrival == sys::Arrival::nothing_yet) return false;
      lost_ = arrival == sys::Arrival::ended;
      if (!lost_) hear(message);
      if (pidfd_) sys::send_signal(pidfd_.get(), SIGKILL);
    } catch (const std::exception&) {
      lost_ = true;
    }
  }
  return born_;
}

void SlotLink::on_event() {
  for (;;) {
    sys::FdMessage message;
    sys::Arrival arrival = sys::Arrival::ended;
    try {
      arrival = sys::receive_fd_message(socket_.get(), kMaxReport, false, message);
    } catch (const std::exception& error) {
      failure_ = error.what();
    }
    if (arrival == sys::Arrival::nothing_yet) return;
    if (arrival == sys::Arrival::ended) return on_end();
    hear(message);
  }
}

// Why it takes nothing any more.
void SlotLink::hear_the_rest() {
  sys::FdMessage message;
  while (sys::receive_fd_message(socket_.get(), kMaxReport, false, message) ==
         sys::Arrival::message) {
    hear(message);
  }
}

void SlotLink::hear(sys::FdMessage& message) {
  switch (static_cast<Report>(message.bytes.at(0))) {
    case Report::born:
      pidfd_ = std::move(message.fds.at(0));
      born_ = true;
      return;
    case Report::ready:
      ready_ = true;
      return;
    case Report::listener:
      has_filter_ = true;
      if (callbacks_.adopt) callbacks_.adopt(std::move(message.fds.at(0)));
      return;
    case Report::failed:
      failure_ = message.bytes.substr(1);
      return;
  }
}

// With the filter in force and nothing to complain of, what has closed the pair is the execve(2) of
// the handler.
void SlotLink::on_end() {
  watch_.reset();
  socket_.reset();
  lost_ = true;
  if (!callbacks_.done) {
    if (lost_callback_) lost_callback_();
    return;
  }
  const auto done = std::exchange(callbacks_.done, nullptr);  // which destroys this
  if (has_filter_ && failure_.empty() && pidfd_) return done(Launched{std::move(pidfd_)});
  if (!born_ && failure_.empty()) failure_ = "the launcher ended before it had told of it";
  if (failure_.empty()) failure_ = "it ended before its program began";
  done(LaunchFailure{"the container could not be made", "native launcher: " + failure_});
}

}  // namespace runtime::native
