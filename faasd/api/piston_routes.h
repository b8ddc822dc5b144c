// The Piston v2 API, for the clients that it has: runtimes and execute, below /api/v2 and below
// /api/v2/piston. Errors are {"message"}, as they expect. Used by all connection threads at once.
// docs/API.md, "Piston".
#pragma once

#include <memory>

#include "faasd/api/router.h"
#include "faasd/script/runner.h"

namespace api {

class PistonRoutes {
 public:
  explicit PistonRoutes(script::Runner& runner) : runner_(runner) {}

  void add_to(Router& router);

 private:
  void runtimes(httplib::Response& response);
  // A program that runs, and in which language.
  struct Started {
    function::Language language;
    std::shared_ptr<script::Audience> audience;
  };
  Started start(const httplib::Request& asked, const httplib::ContentReader& body);
  void execute(const httplib::Request& asked, httplib::Response& response,
               const httplib::ContentReader& body);

  script::Runner& runner_;
};

}  // namespace api
