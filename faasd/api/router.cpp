#include "faasd/api/router.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "oci/sys/error.h"
#include "oci/sys/timed_io.h"

namespace api {
namespace {

// Headers that cpp-httplib would act on, and that are none of its business: Expect and the framing
// are dealt with below it, and answers are neither compressed nor cut in ranges.
constexpr std::array<std::string_view, 5> kWithheld = {"accept-encoding", "content-length",
                                                       "expect", "range", "transfer-encoding"};

// What is ours travels through cpp-httplib with the headers, as its own REMOTE_ADDR does. No client
// can send these: a parenthesis is no character of a header's name.
constexpr const char* kCaller = "(caller)";
constexpr const char* kSocket = "(socket)";
constexpr const char* kStatus = "(status)";
constexpr const char* kCode = "(code)";
constexpr const char* kError = "(error)";

void hand_over(const GuardedRequest& from, httplib::Request& to) {
  to.method = from.head.method;
  to.target = from.head.target;
  to.path = from.path;
  to.params = {from.target.query.begin(), from.target.query.end()};
  for (const auto& [name, value] : from.head.headers) {
    if (std::find(kWithheld.begin(), kWithheld.end(), name) != kWithheld.end()) continue;
    to.headers.emplace(name, value);
  }
  // Without a length, cpp-httplib reads until the stream ends, which is where the chunks end.
  if (!from.framing.chunked) {
    to.headers.emplace("Content-Length", std::to_string(from.framing.length));
  }
  to.headers.emplace(kCaller, from.caller);
  to.headers.emplace(kSocket, std::to_string(from.socket));
  if (!from.refusal) return;
  to.headers.emplace(kStatus, std::to_string(from.refusal->status()));
  to.headers.emplace(kCode, from.refusal->code());
  to.headers.emplace(kError, from.refusal->what());
}

int status_of(sys::Refusal reason) noexcept {
  switch (reason) {
    case sys::Refusal::invalid:
      return 400;
    case sys::Refusal::forbidden:
      return 403;
    case sys::Refusal::not_found:
      return 404;
    case sys::Refusal::conflict:
      return 409;
    case sys::Refusal::too_large:
      return 413;
    case sys::Refusal::exhausted:
      return 507;
    case sys::Refusal::unavailable:
      return 503;
    case sys::Refusal::failed:
      return 500;
  }
  return 500;
}

}  // namespace

void set_json(httplib::Response& response, int status, const nlohmann::json& json) {
  response.status = status;
  response.set_content(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n",
                       "application/json");
}

void set_error(httplib::Response& response, const HttpError& error) {
  set_json(response, error.status(), {{"error", error.what()}, {"code", error.code()}});
  if (error.status() == 401) response.set_header("WWW-Authenticate", "Bearer realm=\"faasd\"");
  if (error.status() == 503) response.set_header("Retry-After", "1");
}

std::string caller_of(const httplib::Request& request) {
  return request.get_header_value(kCaller);
}

bool has_left(const httplib::Request& request) {
  return sys::peer_has_ended(std::stoi(request.get_header_value(kSocket)));
}

Router::Router(Admission admission, const sys::Log& log) : admission_(std::move(admission)) {
  // To cpp-httplib a server without a socket is one that shuts down: it ends streamed answers.
  svr_sock_ = 0;
  set_default_headers({{"Accept-Ranges", "none"},
                       {"Cache-Control", "no-store"},
                       {"X-Content-Type-Options", "nosniff"}});
  set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
    return check(request, response);
  });
  set_exception_handler([&log](const httplib::Request& request, httplib::Response& response,
                               const std::exception_ptr& thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (const HttpError& error) {
      set_error(response, error);
    } catch (const sys::Refused& refused) {
      set_error(response, HttpError(status_of(refused.reason()), refused.code(), refused.what()));
    } catch (const std::exception& error) {
      // The text names a call and its object ("open /var/lib/faasd/x: No space left on device").
      // The caller is root or as good as root here, and it is what they need to mend it.
      log.error("request_failed",
                {{"method", request.method}, {"target", request.target}, {"error", error.what()}});
      set_error(response, HttpError(500, "internal", error.what()));
    }
  });
  // For what cpp-httplib refuses by itself; an error of ours has its body by now.
  set_error_handler([](const httplib::Request&, httplib::Response& response) {
    if (!response.body.empty()) return;
    set_error(response, HttpError(response.status, "bad_request", "the request is refused"));
  });
}

void Router::on_get(const std::string& pattern, Handler handler) {
  routes_.push_back({"GET", std::regex(pattern)});
  Get(pattern, std::move(handler));
}

void Router::on_put(const std::string& pattern, BodyHandler handler) {
  routes_.push_back({"PUT", std::regex(pattern)});
  Put(pattern, std::move(handler));
}

void Router::on_post(const std::string& pattern, BodyHandler handler) {
  routes_.push_back({"POST", std::regex(pattern)});
  Post(pattern, std::move(handler));
}

void Router::on_delete(const std::string& pattern, BodyHandler handler) {
  routes_.push_back({"DELETE", std::regex(pattern)});
  Delete(pattern, std::move(handler));
}

void Router::answer(const GuardedRequest& request, httplib::Stream& stream) {
  bool closed = false;
  process_request(stream, true, closed,
                  [&request](httplib::Request& to) { hand_over(request, to); });
}

// Before cpp-httplib looks for a route: where it finds none, it reads the body into memory first.
Router::HandlerResponse Router::check(const httplib::Request& request,
                                      httplib::Response& response) const {
  if (request.has_header(kStatus)) {
    throw HttpError(std::stoi(request.get_header_value(kStatus)), request.get_header_value(kCode),
                    request.get_header_value(kError));
  }
  std::string allowed;
  for (const Route& route : routes_) {
    if (!std::regex_match(request.path, route.pattern)) continue;
    if (route.method == (request.method == "HEAD" ? "GET" : request.method)) {
      return HandlerResponse::Unhandled;
    }
    allowed += (allowed.empty() ? "" : ", ") + route.method;
  }
  if (allowed.empty()) {
    throw HttpError(404, "unknown_path", "there is nothing at " + request.target);
  }
  response.set_header("Allow", allowed);
  throw HttpError(405, "method_not_allowed", "this path takes " + allowed);
}

}  // namespace api
