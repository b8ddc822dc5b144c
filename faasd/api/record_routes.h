// What is kept of invocations, over HTTP: receipts and output of a function, those there are or as
// they come (server-sent events), and the metrics of all. Used by all connection threads at once.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

#include "faasd/api/router.h"
#include "faasd/control/operator.h"

namespace api {

class RecordRoutes {
 public:
  explicit RecordRoutes(control::Operator& op) : operator_(op) {}
  RecordRoutes(const RecordRoutes&) = delete;
  RecordRoutes& operator=(const RecordRoutes&) = delete;

  void add_to(Router& router);

  // Those that are under way, and whoever comes later, at once.
  void end_followers() noexcept { ending_ = true; }

 private:
  class EventStream;

  void answer(journal::Kind kind, const httplib::Request& asked, httplib::Response& answer);
  void follow(journal::Kind kind, const std::string& name, std::size_t tail,
              const httplib::Request& asked, httplib::Response& answer);

  control::Operator& operator_;
  std::atomic<std::size_t> followers_ = 0;
  std::atomic<bool> ending_ = false;
};

}  // namespace api
