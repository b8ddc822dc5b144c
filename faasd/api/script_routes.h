// The paths of scripts: upload, run, look at them. Answers of go-faas's shape, as JSON or as a
// stream of events. Used by all connection threads at once. docs/API.md, "Scripts".
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "faasd/api/router.h"
#include "faasd/script/scripts.h"

namespace api {

class ScriptRoutes {
 public:
  explicit ScriptRoutes(script::Scripts& scripts) : scripts_(scripts) {}

  void add_to(Router& router);
  // Streams end soon after, each with its script.
  void end_streams() noexcept { ending_ = true; }

 private:
  class EventStream;

  void upload(const httplib::Request& asked, httplib::Response& response,
              const httplib::ContentReader& body);
  void run(const httplib::Request& asked, httplib::Response& response,
           const httplib::ContentReader& body);
  void run_now(const httplib::Request& asked, httplib::Response& response,
               const httplib::ContentReader& body);
  void list(const httplib::Request& asked, httplib::Response& response);
  void describe(const httplib::Request& asked, httplib::Response& response);
  void remove(const httplib::Request& asked, httplib::Response& response);
  bool rejoin(const httplib::Request& asked, httplib::Response& response);
  void answer(const httplib::Request& asked, httplib::Response& response, bool stream,
              std::unique_ptr<script::Audience> audience);
  void start_stream(httplib::Response& response, std::unique_ptr<script::Audience> audience,
                    std::size_t from);

  script::Scripts& scripts_;
  std::atomic<bool> ending_ = false;
};

}  // namespace api
