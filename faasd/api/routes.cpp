#include "faasd/api/routes.h"

#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "faasd/api/functions_json.h"

namespace api {
namespace {

// The last segment of a route's path when it stands for a name: it takes all that is left, so that
// "a/b" is a bad name (400) instead of an unknown path.
constexpr std::string_view kName = "*";

// The options that may stand more than once in a query; of the others a second one is a mistake.
constexpr std::string_view kRepeatable = "env";

bool changes_something(std::string_view method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

// Before the body is read: what would only fail later, with a message that helps less.
void check_upload(const RequestHead& head, const RequestBody& body) {
  const std::string_view encoding = head.header("content-encoding").value_or("identity");
  if (encoding != "identity") {
    throw HttpError(415, "unsupported_media_type",
                    "Content-Encoding is not supported; send the tarball as it is");
  }
  const std::string_view type = head.header("content-type").value_or("");
  if (type.starts_with("multipart/")) {
    throw HttpError(415, "unsupported_media_type",
                    "the body is a form; send the tarball itself, as in curl -T image.tar");
  }
  if (!body.present()) {
    throw HttpError(400, "empty_body",
                    "the body is empty; send the tarball that docker save writes");
  }
}

function::Options options_of(const Target& target) {
  function::Options options;
  std::set<std::string> seen;
  for (const auto& [key, text] : target.query) {
    if (!seen.insert(key).second && key != kRepeatable) {
      throw HttpError(400, "bad_option", "the option '" + key + "' stands twice");
    }
    function::set_option(options, key, text);
  }
  return options;
}

}  // namespace

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

// One request on its way through the routes; what becomes known of it is kept for the audit line.
struct Routes::Call {
  const Request& request;
  RequestBody& body;
  std::string caller;
  std::string name;
};

struct Routes::Route {
  std::string_view method;
  std::vector<std::string_view> path;
  bool open;  // for everybody: nothing is told that is worth a token
  Response (Routes::*handler)(Call&) const;

  // Sets `name` to what the path has in its place.
  bool matches(const std::vector<std::string>& segments, std::string& name) const {
    const bool named = path.back() == kName;
    const std::size_t fixed = path.size() - (named ? 1 : 0);
    if (segments.size() < path.size() || (!named && segments.size() != fixed)) return false;
    if (!std::equal(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(fixed),
                    segments.begin())) {
      return false;
    }
    if (!named) return true;
    name.clear();
    for (std::size_t i = fixed; i < segments.size(); ++i) {
      name += (i > fixed ? "/" : "") + segments[i];
    }
    return true;
  }
};

Routes::Routes(control::Operator& op, Attestor attestor, const sys::Log& log)
    : operator_(op), attestor_(std::move(attestor)), log_(log) {}

Response Routes::answer(const Request& request, RequestBody& body) const {
  Call call{request, body, "unknown", ""};
  Response response;
  try {
    response = dispatch(call);
  } catch (const HttpError& error) {
    response = error_response(error.status(), error.code(), error.what());
  } catch (const sys::Refused& refused) {
    response = error_response(status_of(refused.reason()), refused.code(), refused.what());
  } catch (const std::exception& error) {
    // The text names a call and its object ("open /var/lib/faasd/x: No space left on device"). The
    // caller is root or as good as root here, and it is what they need to mend it.
    log_.error("request_failed", {{"method", request.head.method},
                                  {"target", request.head.target},
                                  {"error", error.what()}});
    response = error_response(500, "internal", error.what());
  }
  if (changes_something(request.head.method)) audit(call, response);
  return response;
}

Response Routes::dispatch(Call& call) const {
  static const Route kRoutes[] = {
      {"GET", {"healthz"}, true, &Routes::healthz},
      {"GET", {"readyz"}, true, &Routes::readyz},
      {"GET", {"version"}, true, &Routes::version},
      {"POST", {"api", "new"}, false, &Routes::legacy_new},
      {"GET", {"api", "list"}, false, &Routes::legacy_list},
      {"GET", {"api", "ip", kName}, false, &Routes::legacy_ip},
      {"GET", {"v1", "functions"}, false, &Routes::list_functions},
      {"PUT", {"v1", "functions", kName}, false, &Routes::put_function},
      {"GET", {"v1", "functions", kName}, false, &Routes::get_function},
      {"DELETE", {"v1", "functions", kName}, false, &Routes::delete_function},
  };
  const RequestHead& head = call.request.head;
  const std::string_view method = head.method == "HEAD" ? "GET" : std::string_view(head.method);
  const Route* found = nullptr;
  std::string allowed;
  for (const Route& route : kRoutes) {
    if (!route.matches(call.request.target.segments, call.name)) continue;
    if (route.method == method) found = &route;
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
  }
  // Who may not use the API is not told either which paths it has.
  if (found == nullptr || !found->open) call.caller = attestor_.admit(call.request.peer, head);
  if (found != nullptr) {
    if (changes_something(method) && !ready_) {
      throw HttpError(503, "not_ready", "faasd is starting or stopping; try again");
    }
    return (this->*found->handler)(call);
  }
  if (allowed.empty()) {
    throw HttpError(404, "unknown_path", "there is nothing at " + head.target);
  }
  Response response = error_response(405, "method_not_allowed", "this path takes " + allowed);
  response.headers.emplace_back("Allow", allowed);
  return response;
}

void Routes::audit(const Call& call, const Response& response) const {
  const RequestHead& head = call.request.head;
  log_.info("audit", {{"caller", call.caller},
                      {"from", call.request.peer.address},
                      {"method", head.method},
                      {"target", head.target},
                      {"function", call.name},
                      {"status", response.status}});
}

Response Routes::healthz(Call&) const {
  return json_response(200, {{"status", "ok"}});
}

Response Routes::readyz(Call&) const {
  if (ready_) return json_response(200, {{"status", "ready"}});
  return error_response(503, "not_ready", "faasd is starting or stopping");
}

Response Routes::version(Call&) const {
  return json_response(200, {{"name", "faasd"}, {"version", FAASD_VERSION}, {"api", "v1"}});
}

Response Routes::legacy_new(Call& call) const {
  const auto name = call.request.head.header("x-image-name");
  if (!name) {
    throw HttpError(400, "missing_header", "the header X-Image-Name with the name is missing");
  }
  call.name = *name;
  return json_response(200, to_json(deploy(call)));
}

Response Routes::legacy_ip(Call& call) const {
  const control::FunctionStatus status = find(call);
  return json_response(
      200, {{"name", status.function.name}, {"ip", status.function.address.to_string()}});
}

Response Routes::legacy_list(Call&) const {
  nlohmann::json functions = nlohmann::json::object();
  for (const control::FunctionStatus& status : operator_.list()) {
    functions[status.function.name] = to_list_entry(status);
  }
  return json_response(200, functions);
}

Response Routes::put_function(Call& call) const {
  const control::FunctionStatus status = deploy(call);
  return json_response(status.function.version == 1 ? 201 : 200, to_json(status));
}

Response Routes::get_function(Call& call) const {
  return json_response(200, to_json(find(call)));
}

Response Routes::delete_function(Call& call) const {
  function::check_name(call.name);
  operator_.remove(call.name);
  return json_response(200, {{"name", call.name}});
}

Response Routes::list_functions(Call&) const {
  nlohmann::json functions = nlohmann::json::array();
  for (const control::FunctionStatus& status : operator_.list()) {
    functions.push_back(to_json(status));
  }
  return json_response(200, {{"functions", functions}});
}

control::FunctionStatus Routes::deploy(Call& call) const {
  function::check_name(call.name);
  const function::Options options = options_of(call.request.target);
  check_upload(call.request.head, call.body);
  const std::unique_ptr<control::Deploy> deploy = operator_.begin_deploy(call.name, options);
  for (std::string_view piece = call.body.read(); !piece.empty(); piece = call.body.read()) {
    deploy->write(piece);
  }
  return deploy->finish();
}

control::FunctionStatus Routes::find(Call& call) const {
  function::check_name(call.name);
  std::optional<control::FunctionStatus> status = operator_.find(call.name);
  if (!status) {
    throw HttpError(404, "unknown_function",
                    "there is no function " + call.name + "; see faas list");
  }
  return std::move(*status);
}

}  // namespace api
