// One conversation on one accepted socket: a request is read and guarded, its caller is admitted,
// cpp-httplib answers it, the socket is closed. One request a connection, so that what was not read
// of a body can never be taken for the next request. Belongs to one thread; another may shut the
// socket down to end it. Whatever goes wrong is answered if it can be.
#pragma once

#include "faasd/api/connection_times.h"
#include "faasd/api/guarded_request.h"
#include "faasd/api/router.h"
#include "oci/sys/log.h"

namespace api {

// Whom to let in, and to what.
struct Site {
  Admission admit;
  Router& router;
};

// Runs the whole conversation; the caller closes `fd` afterwards. Never throws.
void serve_connection(int fd, const ConnectionTimes& times, const Site& site,
                      const sys::Log& log) noexcept;

}  // namespace api
