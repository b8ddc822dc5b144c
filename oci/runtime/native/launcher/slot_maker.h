// Makes slots, one for each order that faasd sends, until it has gone. It has one thread, so it may
// fork at any time. Throws std::system_error.
#pragma once

#include <string>

#include "oci/sys/fd_message.h"
#include "oci/sys/unique_fd.h"

namespace runtime::native {

class SlotMaker {
 public:
  // `daemon` is one end of a message pair, `proc` the host's /proc.
  SlotMaker(int daemon, sys::UniqueFd proc);

  void serve();

 private:
  bool receive(sys::FdMessage& message) const;
  void make(sys::FdMessage& message) const;

  const int daemon_;
  const sys::UniqueFd proc_;
  std::string filter_;
};

}  // namespace runtime::native
