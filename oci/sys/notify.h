// Tells the service manager how we are: one datagram to $NOTIFY_SOCKET, sd_notify(3). Nothing
// happens when nobody asked. Any thread; never throws.
#pragma once

#include <string_view>

namespace sys {

// `state` as in sd_notify(3): "READY=1", "STOPPING=1", "STATUS=…".
void notify_service_manager(std::string_view state) noexcept;

}  // namespace sys
