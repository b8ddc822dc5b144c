// The table of paths, and what stands behind each: a call of control::Operator, and its answer in
// JSON. Callers are admitted, and names and options checked, before a byte of a body is read. Used
// by all connection threads at once; holds no state but `ready`.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "faasd/api/attest.h"
#include "faasd/api/piston_routes.h"
#include "faasd/api/record_routes.h"
#include "faasd/api/router.h"
#include "faasd/api/script_routes.h"
#include "faasd/control/operator.h"
#include "oci/sys/log.h"

namespace api {

class Routes {
 public:
  // Without `scripts` there are no paths of scripts.
  Routes(control::Operator& op, script::Scripts* scripts, Attestor attestor, const sys::Log& log);
  Routes(const Routes&) = delete;
  Routes& operator=(const Routes&) = delete;

  Router& router() noexcept { return router_; }

  // Until it is set, and again while the daemon drains, /readyz says 503 and nothing is changed.
  void set_ready(bool ready) noexcept { ready_ = ready; }
  // Answers that follow a function's journal, or a script, end soon after.
  void end_streams() noexcept {
    records_.end_followers();
    if (scripts_) scripts_->end_streams();
  }

 private:
  class Underway;

  std::string admit(const GuardedRequest& request) const;
  void audit(const httplib::Request& request, const httplib::Response& response) const;
  void check_ready() const;

  void add_open_routes();
  void add_legacy_routes();
  void add_function_routes();
  void add_version_routes();
  void add_layer_routes();
  control::FunctionStatus find(const std::string& name) const;
  std::unique_ptr<control::Deploy> begin_deploy(const std::string& name,
                                                const httplib::Request& request) const;
  control::FunctionStatus deploy(const std::string& name, const httplib::Request& request,
                                 const httplib::ContentReader& body);

  control::Operator& operator_;
  Attestor attestor_;
  const sys::Log& log_;
  std::atomic<bool> ready_ = false;
  std::atomic<std::size_t> deploys_ = 0;  // under way
  RecordRoutes records_;
  std::optional<ScriptRoutes> scripts_;
  std::optional<PistonRoutes> programs_;
  Router router_;
};

}  // namespace api
