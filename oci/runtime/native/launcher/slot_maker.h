// Makes slots, one for each order that faasd sends, until it has gone. It has one thread, so it may
// fork at any time. Throws std::system_error.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "oci/runtime/native/launcher/networks.h"
#include "oci/sys/fd_message.h"
#include "oci/sys/unique_fd.h"
#include "oci/sys/user_namespace.h"

namespace runtime::native {

class SlotMaker {
 public:
  // `daemon` is one end of a message pair, `proc` the host's /proc.
  SlotMaker(int daemon, sys::UniqueFd proc);

  void serve();

 private:
  bool receive(sys::FdMessage& message) const;
  void make(sys::FdMessage& message);
  int user_namespace_for(const sys::IdMaps& ids);

  const int daemon_;
  const sys::UniqueFd proc_;
  std::string filter_;
  // Of each range of ids, once it is needed: one slot after the other has it. It is nothing but its
  // maps, so nothing of the one before is left in it.
  std::map<std::uint32_t, sys::UniqueFd> namespaces_;  // by the host's id of its root
  sys::UniqueFd special_namespace_;                    // of the slot that is being made
  Networks networks_;
};

}  // namespace runtime::native
