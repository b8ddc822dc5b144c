#include "oci/runtime/native/launcher/networks.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace runtime::native {
namespace {

// As many as are in use under load; each takes some 200 KiB of the kernel's memory.
constexpr std::size_t kMostKept = 48;
constexpr std::size_t kMaxFile = 64u << 10;

// All that an unprivileged process can leave in a network shows in one of these: what is alive, in
// sockstat, for every family of sockets; what was sent, received or had no route, in the counters;
// what outlives its socket, in the rest. The others of /proc/net list sockets, say the same again,
// or can be changed with CAP_NET_ADMIN only. First those that tell soonest.
constexpr std::string_view kFiles[] = {"sockstat",  "dev",  "igmp",  "igmp6",  "ip6_flowlabel",
                                       "rt6_stats", "snmp", "snmp6", "netstat"};

// Of sockstat its first line is this network's; other lines count what all networks have. The last
// number of rt6_stats counts how often the interface was down.
std::string_view telling_part(std::string_view file, std::string_view text) {
  if (file == "sockstat") return text.substr(0, text.find('\n'));
  if (file == "rt6_stats") return text.substr(0, text.rfind(' '));
  return text;
}

class Loopback {
 public:
  Loopback() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (!socket_) sys::throw_errno("make a socket");
  }
  void raise() { set_flags(IFF_UP); }
  // Ends what may still happen by itself: reports of who has joined or left a group, up to seconds
  // after its socket has gone; routes that were looked up.
  void lower() { set_flags(0); }

 private:
  void set_flags(short flags) {
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = flags;
    if (::ioctl(socket_.get(), SIOCSIFFLAGS, &request) != 0) {
      sys::throw_errno("raise or lower the loopback interface");
    }
  }

  sys::UniqueFd socket_;
};

}  // namespace

void Networks::enter(std::optional<std::uint32_t> owner) {
  if (!owner) return enter_new();
  sys::UniqueFd network = std::move(kept_[*owner]);
  kept_.erase(*owner);
  if (network && !reenter(network)) network.reset();
  if (!network) {
    enter_new();
    if (kept_.size() == kMostKept) return;
    network = sys::UniqueFd(::openat(proc_, "thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!network) sys::throw_errno("open a network");
  }
  kept_[*owner] = std::move(network);
}

// With the interface down, so that nothing happens between the look and the next container.
bool Networks::reenter(const sys::UniqueFd& network) {
  if (::setns(network.get(), CLONE_NEWNET) != 0) sys::throw_errno("enter a network");
  Loopback loopback;
  loopback.lower();
  for (const std::string_view file : kFiles) {
    const auto expected = like_new_.find(file);
    if (expected != like_new_.end() && look_at(file) == expected->second) continue;
    like_new_.clear();  // in case it is the host that has changed what is new
    return false;
  }
  loopback.raise();
  return true;
}

void Networks::enter_new() {
  if (::unshare(CLONE_NEWNET) != 0) sys::throw_errno("make a network");
  Loopback loopback;
  loopback.raise();
  if (!like_new_.empty()) return;
  loopback.lower();
  for (const std::string_view file : kFiles) like_new_[file] = look_at(file);
  loopback.raise();
}

// Nothing if this kernel has no such file, and so not what would be in it.
std::string Networks::look_at(std::string_view file) const {
  const std::string path = "thread-self/net/" + std::string(file);
  const sys::UniqueFd fd(::openat(proc_, path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return "";
  if (!fd) sys::throw_errno("open /proc/" + path);
  const std::string text = sys::read_fd(fd.get(), kMaxFile, "/proc/" + path);
  return std::string(telling_part(file, text));
}

}  // namespace runtime::native
