// The table of paths, and what stands behind each: a call of control::Operator, its answer in JSON,
// its refusals as statuses. Callers are admitted, and names and options checked, before a byte of a
// body is read. Used by all connection threads at once; holds no state but `ready`.
#pragma once

#include <atomic>
#include <string>

#include "faasd/api/attest.h"
#include "faasd/api/http_connection.h"
#include "faasd/control/operator.h"
#include "oci/sys/error.h"
#include "oci/sys/log.h"

namespace api {

int status_of(sys::Refusal reason) noexcept;

class Routes {
 public:
  Routes(control::Operator& op, Attestor attestor, const sys::Log& log);

  // Answers one request. Whatever is refused or fails becomes an answer, and everything that was to
  // change something leaves one audit line.
  Response answer(const Request& request, RequestBody& body) const;

  // Until it is set, and again while the daemon drains, /readyz says 503 and nothing is changed.
  void set_ready(bool ready) noexcept { ready_ = ready; }

 private:
  struct Call;
  struct Route;

  Response dispatch(Call& call) const;
  void audit(const Call& call, const Response& response) const;

  Response healthz(Call& call) const;
  Response readyz(Call& call) const;
  Response version(Call& call) const;
  Response legacy_new(Call& call) const;
  Response legacy_ip(Call& call) const;
  Response legacy_list(Call& call) const;
  Response put_function(Call& call) const;
  Response get_function(Call& call) const;
  Response delete_function(Call& call) const;
  Response list_functions(Call& call) const;
  control::FunctionStatus deploy(Call& call) const;
  control::FunctionStatus find(Call& call) const;

  control::Operator& operator_;
  Attestor attestor_;
  const sys::Log& log_;
  std::atomic<bool> ready_ = false;
};

}  // namespace api
