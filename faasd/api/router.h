// cpp-httplib's server without its sockets, its threads and its parser: its routing, handlers,
// answers and streams, for requests that were guarded. Routes are added before the first request;
// then any thread may call `answer`.
#pragma once

#include <httplib.h>

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <regex>
#include <string>
#include <vector>

#include "faasd/api/guarded_request.h"
#include "oci/sys/log.h"

namespace api {

// Strings that are not UTF-8 get U+FFFD: an image may hold anything, and answering never throws.
void set_json(httplib::Response& response, int status, const nlohmann::json& json);

// {"error": what, "code": code}, and the headers that belong to the status.
void set_error(httplib::Response& response, const HttpError& error);

// Who sends `request`, as Router was told.
std::string caller_of(const httplib::Request& request);

// Whether its client has ended its side, or is gone: nobody waits for the answer.
bool has_left(const httplib::Request& request);

class Router : private httplib::Server {
 public:
  using Handler = httplib::Server::Handler;
  using BodyHandler = httplib::Server::HandlerWithContentReader;

  Router(Admission admission, const sys::Log& log);

  // A pattern is for the whole decoded path. Handlers throw HttpError or sys::Refused for what they
  // refuse; any other exception is answered with 500 and logged. Their request's `params` are the
  // guarded query, the values of one name in order. Whoever takes a body gets a reader: none is
  // ever held in memory.
  void on_get(const std::string& pattern, Handler handler);  // and HEAD
  void on_put(const std::string& pattern, BodyHandler handler);
  void on_post(const std::string& pattern, BodyHandler handler);
  void on_delete(const std::string& pattern, BodyHandler handler);

  // Called with every answer before it is sent, that of a refused request too.
  using httplib::Server::set_post_routing_handler;

  const Admission& admission() const { return admission_; }

  // Writes the answer to the stream, which knows whether that worked.
  void answer(const GuardedRequest& request, httplib::Stream& stream);

 private:
  struct Route {
    std::string method;
    std::regex pattern;
  };

  HandlerResponse check(const httplib::Request& request, httplib::Response& response) const;

  Admission admission_;
  std::vector<Route> routes_;
};

}  // namespace api
