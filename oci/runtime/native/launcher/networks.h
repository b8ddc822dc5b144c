// The networks of slots, one for each, with nothing in it but a loopback interface. To make one and
// to take it down is a fifth of what a container costs the processors, so that of a container which
// has gone and has not used it is given to the next one, if the kernel shows that nothing is left.
// For a process of one thread. Source: network_namespaces(7). Throws std::system_error.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "oci/sys/unique_fd.h"

namespace runtime::native {

class Networks {
 public:
  // `proc` is the host's /proc; borrowed.
  explicit Networks(int proc) : proc_(proc) {}

  // From now on this process, and what it clones, stands in a network like new. Who had one for the
  // same `owner` before has gone; without an owner it goes to nobody else.
  void enter(std::optional<std::uint32_t> owner);

 private:
  bool reenter(const sys::UniqueFd& network);
  void enter_new();
  std::string look_at(std::string_view file) const;

  const int proc_;
  std::map<std::uint32_t, sys::UniqueFd> kept_;
  std::map<std::string_view, std::string> like_new_;  // the files of one in which nothing has been
};

}  // namespace runtime::native
