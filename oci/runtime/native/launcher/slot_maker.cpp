#include "oci/runtime/native/launcher/slot_maker.h"

#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

#include "oci/runtime/host_ids.h"
#include "oci/runtime/native/launcher/slot.h"
#include "oci/runtime/native/orders.h"
#include "oci/sys/error.h"
#include "oci/sys/pidfd.h"
#include "oci/sys/user_namespace.h"

namespace runtime::native {
namespace {

// All that a container has of its own, but for its user namespace and its network, which exist
// already, and the namespace of the cgroup, which begins where the process stands then.
constexpr std::uint64_t kNamespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

// Only a slot's own range has one container at a time.
std::optional<std::uint32_t> owner_of(const sys::IdMaps& ids) {
  if (ids.users.size() != 1 || ids.users.front().host <= kLastHostId) return std::nullopt;
  return ids.users.front().host;
}

// A child of faasd's, not of ours: that is who waits for it.
void give_birth(SlotParts& parts, const sys::UniqueFd& into) {
  int pidfd = -1;
  clone_args args{};
  args.flags = kNamespaces | CLONE_PARENT | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  if (into) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<std::uint64_t>(into.get());
  }
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) run_slot(std::move(parts));
  if (pid < 0) sys::throw_errno("clone3");
  const sys::UniqueFd child(pidfd);
  const char report = static_cast<char>(Report::born);
  const int fds[] = {child.get()};
  try {
    if (sys::send_fd_message(parts.socket.get(), {&report, 1}, fds)) return;
  } catch (const std::exception&) {
    // As if nobody were there.
  }
  sys::send_signal(child.get(), SIGKILL);  // nobody knows of it
}

}  // namespace

SlotMaker::SlotMaker(int daemon, sys::UniqueFd proc)
    : daemon_(daemon), proc_(std::move(proc)), networks_(proc_.get()) {}

void SlotMaker::serve() {
  sys::FdMessage message;
  if (!receive(message)) return;
  filter_ = std::move(message.bytes);
  while (receive(message)) make(message);
}

bool SlotMaker::receive(sys::FdMessage& message) const {
  return sys::receive_fd_message(daemon_, kMaxMessage, true, message) == sys::Arrival::message;
}

int SlotMaker::user_namespace_for(const sys::IdMaps& ids) {
  // What the kernel counts for a user of a namespace is to be one container's.
  const std::optional<std::uint32_t> own = owner_of(ids);
  sys::UniqueFd& known = own ? namespaces_[*own] : special_namespace_;
  if (!known || !own) known = sys::make_user_namespace(ids, proc_.get());
  return known.get();
}

// What goes wrong is told to the slot's owner, who has the other end of its pair.
void SlotMaker::make(sys::FdMessage& message) {
  SlotParts parts;
  parts.order = SlotOrder::unpack(message.bytes);
  parts.socket = std::move(message.fds.at(0));
  parts.filter = filter_;
  sys::UniqueFd into;
  for (std::size_t i = 1; i < message.fds.size(); ++i) {
    if (parts.order.cgroup_v2) {
      into = std::move(message.fds[i]);
    } else {
      parts.cgroups.push_back(std::move(message.fds[i]));
    }
  }
  message.fds.clear();
  try {
    parts.user_namespace = user_namespace_for(parts.order.ids);
    networks_.enter(owner_of(parts.order.ids));
    give_birth(parts, into);
  } catch (const std::exception& error) {
    const std::string text = static_cast<char>(Report::failed) + std::string(error.what());
    sys::send_fd_message(parts.socket.get(), text, {});
  }
}

}  // namespace runtime::native
