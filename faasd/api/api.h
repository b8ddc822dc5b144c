// The control API as the daemon sees it: routes behind an HTTP server, started last and stopped
// first. Made, started and stopped by one thread; `set_ready` by any.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "faasd/api/http_server.h"
#include "faasd/api/routes.h"
#include "faasd/control/operator.h"
#include "faasd/function/bounds.h"
#include "oci/sys/log.h"
#include "oci/sys/unique_fd.h"

namespace api {

struct ApiOptions {
  std::filesystem::path token_file;  // empty: no token
  std::string group = "faas";        // its members need no token
  ServerOptions server;
};

class Api {
 public:
  // `listeners` are bound and listening: Unix sockets and TCP, in any number. Throws sys::Refused
  // for a bad token file, and for a TCP address that is not loopback when there is none:
  // "token_needed".
  Api(control::Operator& op, script::Scripts* scripts, const sys::Log& log,
      const ApiOptions& options, std::vector<sys::UniqueFd> listeners);

  // Ready from now on, until it is told otherwise.
  void start() {
    server_.start();
    set_ready(true);
  }
  void set_ready(bool ready) noexcept { routes_.set_ready(ready); }
  // HttpServer::stop, after bounds::kApiGrace at the latest; the destructor stops without grace.
  void stop() {
    routes_.end_streams();
    server_.stop(function::bounds::kApiGrace);
  }

 private:
  Routes routes_;
  HttpServer server_;
};

}  // namespace api
