// The patience with a client, step by step. A value.
#pragma once

#include <chrono>

namespace api {

struct ConnectionTimes {
  // The whole head; a client that has one sends it in one packet.
  std::chrono::milliseconds head{10'000};
  // Between two pieces of a body: `docker save` of a large image pauses for seconds.
  std::chrono::milliseconds body_idle{30'000};
  // How long a client may take nothing of its answer.
  std::chrono::milliseconds write_idle{30'000};
  // After the answer: how long what the client still sends is read and dropped. Closing a socket
  // with unread input resets it, and the reset overtakes the answer (RFC 9112, 9.6). Many clients
  // read no answer before they have sent all: at the speed of a disk this is a large image.
  std::chrono::milliseconds linger{5'000};
};

}  // namespace api
