// One question to the kernel over netlink(7), and its answer. For the files of oci/sys that speak
// rtnetlink and sock_diag; nobody else needs it. Each exchange opens and closes its own socket. Any
// thread. Throws std::system_error.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>

#include "oci/sys/error.h"
#include "oci/sys/unique_fd.h"

namespace sys {

// One request: a netlink header, the fixed part of its type, and attributes.
class NetlinkRequest {
 public:
  // A header, a fixed part and three short attributes.
  static constexpr std::size_t kBytes = 256;

  template <typename Fixed>
  NetlinkRequest(std::uint16_t type, std::uint16_t flags, const Fixed& fixed) {
    static_assert(NLMSG_SPACE(sizeof(Fixed)) <= kBytes);
    nlmsghdr header{};
    header.nlmsg_len = NLMSG_LENGTH(sizeof fixed);
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    std::memcpy(bytes_.data(), &header, sizeof header);
    std::memcpy(bytes_.data() + NLMSG_HDRLEN, &fixed, sizeof fixed);
    size_ = NLMSG_SPACE(sizeof fixed);
  }

  void add(std::uint16_t type, const void* data, std::size_t size) {
    if (size_ + RTA_SPACE(size) > bytes_.size()) throw_errno(EMSGSIZE, "build a netlink request");
    const rtattr attribute{static_cast<std::uint16_t>(RTA_LENGTH(size)), type};
    std::memcpy(bytes_.data() + size_, &attribute, sizeof attribute);
    std::memcpy(bytes_.data() + size_ + RTA_LENGTH(0), data, size);
    size_ += RTA_SPACE(size);
    const auto length = static_cast<std::uint32_t>(size_);
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
  }

  const char* data() const { return bytes_.data(); }
  std::size_t size() const { return size_; }

 private:
  alignas(nlmsghdr) std::array<char, kBytes> bytes_{};
  std::size_t size_ = 0;
};

// A payload of a reply; the pointer is valid during the callback.
using OnMessage = std::function<void(const nlmsghdr&, const char* payload, std::size_t size)>;

// Sends the request and gives every message of the answer to `on_message`. Returns the errno the
// kernel answered with, 0 for none; `interrupted` is set if a dump has to be repeated.
int exchange(int protocol, const NetlinkRequest& request, const OnMessage& on_message,
             bool* interrupted = nullptr);

// The data of the first attribute of that type behind a fixed part of `fixed` bytes; empty if there
// is none. The view is into `payload`.
std::string_view find_attribute(const char* payload, std::size_t size, std::size_t fixed,
                                std::uint16_t type) noexcept;

}  // namespace sys
