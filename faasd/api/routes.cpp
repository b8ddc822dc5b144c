#include "faasd/api/routes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "faasd/api/functions_json.h"
#include "faasd/api/openapi.h"
#include "faasd/function/bounds.h"

namespace api {
namespace {

using httplib::ContentReader;
using Asked = httplib::Request;
using Answer = httplib::Response;

// A name takes all that is left of a path, line breaks too, so that "a/b" is a bad name (400)
// instead of an unknown path.
constexpr std::string_view kFunctions = "/v1/functions/";
constexpr const char* kName = R"(([\s\S]*))";
// Of a path that does not end in what stands behind a name. A function may be called "versions": no
// name has a slash.
constexpr const char* kNameAlone = R"(((?![\s\S]*/(?:versions|rollback|logs|receipts)$)[\s\S]*))";
constexpr const char* kVersions = "/versions";
constexpr const char* kRollback = "/rollback";

// What is told there is worth no token.
constexpr std::array<std::string_view, 4> kOpenPaths = {"/healthz", "/readyz", "/version",
                                                        "/openapi.json"};

// The options that may stand more than once in a query; of the others a second one is a mistake.
constexpr std::string_view kRepeatable = "env";

// Of a header that may stand once; empty if there is none.
std::string header_of(const Asked& request, const char* name) {
  if (request.get_header_value_count(name) > 1) {
    throw HttpError(400, "bad_request", std::string("the header ") + name + " stands twice");
  }
  return request.get_header_value(name);
}

// Before the body is read: what would only fail later, with a message that helps less. It also
// keeps cpp-httplib from inflating and from taking forms apart.
void check_upload(const Asked& request) {
  const std::string encoding = header_of(request, "Content-Encoding");
  if (!encoding.empty() && encoding != "identity") {
    throw HttpError(415, "unsupported_media_type",
                    "Content-Encoding is not supported; send the tarball as it is");
  }
  if (header_of(request, "Content-Type").starts_with("multipart/")) {
    throw HttpError(415, "unsupported_media_type",
                    "the body is a form; send the tarball itself, as in curl -T image.tar");
  }
  if (request.get_header_value("Content-Length") == "0") {
    throw HttpError(400, "empty_body",
                    "the body is empty; send the tarball that docker save writes");
  }
}

// What a deploy's query says: of the function, and of the archive.
struct DeployQuery {
  function::Options options;
  image::Selection selection;
  std::string layer_request;
};

DeployQuery deploy_query_of(const Asked& request) {
  DeployQuery query;
  const std::map<std::string_view, std::string*> of_archive = {
      {"tag", &query.selection.tag},
      {"platform", &query.selection.platform},
      {"digest", &query.selection.digest},
      {"layer_request", &query.layer_request}};
  for (const auto& [key, text] : request.params) {
    if (request.params.count(key) > 1 && key != kRepeatable) {
      throw HttpError(400, "bad_option", "the option '" + key + "' stands twice");
    }
    if (const auto found = of_archive.find(key); found != of_archive.end()) {
      if (text.empty()) throw HttpError(400, "bad_option", "the option '" + key + "' is empty");
      *found->second = text;
    } else {
      function::set_option(query.options, key, text);
    }
  }
  return query;
}

// The body of a question for layers: {"diff_ids": ["sha256:…", …]}.
std::vector<std::string> diff_ids_in(const ContentReader& body) {
  constexpr std::size_t kMost = 64U << 10;  // 128 digests have 10 kB
  std::string text;
  const bool whole = body([&text](const char* bytes, std::size_t size) {
    if (text.size() + size > kMost) throw HttpError(413, "too_large", "the list is too long");
    text.append(bytes, size);
    return true;
  });
  if (!whole) throw HttpError(400, "body_cut_off", "the body of the request is cut off");
  const nlohmann::json document = nlohmann::json::parse(text, nullptr, false);
  const nlohmann::json list =
      document.is_object() ? document.value("diff_ids", nlohmann::json()) : nlohmann::json();
  const bool is_list =
      list.is_array() && std::all_of(list.begin(), list.end(),
                                     [](const nlohmann::json& each) { return each.is_string(); });
  if (!is_list) {
    throw HttpError(400, "bad_diff_ids", "the body must be {\"diff_ids\": [\"sha256:...\"]}");
  }
  return list.get<std::vector<std::string>>();
}

// The one option of a rollback.
std::optional<std::uint64_t> version_of(const Asked& request) {
  for (const auto& [key, text] : request.params) {
    if (key != "version") {
      throw HttpError(400, "unknown_option", "there is no option '" + key + "'");
    }
  }
  if (request.params.empty()) return std::nullopt;
  const std::string& text = request.params.begin()->second;
  std::uint64_t version = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, version);
  if (request.params.size() > 1 || error != std::errc() || rest != end || version == 0) {
    throw HttpError(400, "bad_option", "the option 'version' is one number of a version");
  }
  return version;
}

// For the log: why the answer is no; empty if it is not.
std::string error_in(const Answer& response) {
  if (response.status < 400) return {};
  const nlohmann::json body = nlohmann::json::parse(response.body, nullptr, false);
  if (!body.is_object()) return {};
  return body.value("code", "") + ": " + body.value("error", "");
}

// For the log: whose path this is, if it is a function's.
std::string function_in(const Asked& request) {
  if (!request.path.starts_with(kFunctions)) return request.get_header_value("X-Image-Name");
  std::string name = request.path.substr(kFunctions.size());
  if (name.ends_with(kRollback)) name.resize(name.size() - std::strlen(kRollback));
  return name;
}

}  // namespace

Routes::Routes(control::Operator& op, script::Scripts* scripts, Attestor attestor,
               const sys::Log& log)
    : operator_(op),
      attestor_(std::move(attestor)),
      log_(log),
      records_(op),
      router_([this](const GuardedRequest& request) { return admit(request); }, log) {
  router_.set_post_routing_handler(
      [this](const Asked& request, Answer& response) { audit(request, response); });
  add_open_routes();
  add_legacy_routes();
  add_function_routes();
  add_version_routes();
  add_layer_routes();
  records_.add_to(router_);
  if (scripts == nullptr) return;
  scripts_.emplace(*scripts).add_to(router_);
  programs_.emplace(scripts->runner()).add_to(router_);
}

// Who may not use the API is not told either which paths it has.
std::string Routes::admit(const GuardedRequest& request) const {
  const bool reads = request.head.method == "GET" || request.head.method == "HEAD";
  const bool open =
      std::find(kOpenPaths.begin(), kOpenPaths.end(), request.path) != kOpenPaths.end();
  return reads && open ? kAnybody : attestor_.admit(request.peer, request.head);
}

// Everything that was to change something leaves one line.
void Routes::audit(const Asked& request, const Answer& response) const {
  const bool reads = request.method == "GET" || request.method == "HEAD" ||
                     request.method == "OPTIONS" || request.method.empty();
  if (reads) return;
  log_.info("audit", {{"caller", caller_of(request)},
                      {"from", request.remote_addr},
                      {"method", request.method},
                      {"target", request.target},
                      {"function", function_in(request)},
                      {"status", response.status},
                      {"error", error_in(response)}});
}

void Routes::check_ready() const {
  if (!ready_) throw HttpError(503, "not_ready", "faasd is starting or stopping; try again");
}

void Routes::add_open_routes() {
  router_.on_get("/healthz", [](const Asked&, Answer& answer) {
    set_json(answer, 200, {{"status", "ok"}});
  });
  router_.on_get("/readyz", [this](const Asked&, Answer& answer) {
    check_ready();
    set_json(answer, 200, {{"status", "ready"}});
  });
  router_.on_get("/version", [](const Asked&, Answer& answer) {
    set_json(answer, 200, {{"name", "faasd"}, {"version", FAASD_VERSION}, {"api", "v1"}});
  });
  router_.on_get("/openapi.json", [](const Asked&, Answer& answer) {
    answer.set_content(kOpenApi.data(), kOpenApi.size(), "application/json");
  });
}

void Routes::add_legacy_routes() {
  router_.on_post("/api/new", [this](const Asked& asked, Answer& answer, const ContentReader& in) {
    if (!asked.has_header("X-Image-Name")) {
      throw HttpError(400, "missing_header", "the header X-Image-Name with the name is missing");
    }
    set_json(answer, 200, to_json(deploy(header_of(asked, "X-Image-Name"), asked, in)));
  });
  router_.on_get("/api/list", [this](const Asked&, Answer& answer) {
    nlohmann::json functions = nlohmann::json::object();
    for (const control::FunctionStatus& status : operator_.list()) {
      functions[status.function.name] = to_list_entry(status);
    }
    set_json(answer, 200, functions);
  });
  router_.on_get(std::string("/api/ip/") + kName, [this](const Asked& asked, Answer& answer) {
    const function::Function function = find(asked.matches[1]).function;
    set_json(answer, 200, {{"name", function.name}, {"ip", function.address.to_string()}});
  });
}

void Routes::add_function_routes() {
  router_.on_get("/v1/functions", [this](const Asked&, Answer& answer) {
    nlohmann::json functions = nlohmann::json::array();
    for (const control::FunctionStatus& status : operator_.list()) {
      functions.push_back(to_json(status));
    }
    set_json(answer, 200, {{"functions", functions}});
  });
  const std::string path = std::string(kFunctions) + kNameAlone;
  router_.on_put(path, [this](const Asked& asked, Answer& answer, const ContentReader& in) {
    const control::FunctionStatus status = deploy(asked.matches[1], asked, in);
    set_json(answer, status.function.version == 1 ? 201 : 200, to_json(status));
  });
  router_.on_get(path, [this](const Asked& asked, Answer& answer) {
    set_json(answer, 200, to_json(find(asked.matches[1])));
  });
  router_.on_delete(path, [this](const Asked& asked, Answer& answer, const ContentReader&) {
    check_ready();
    const std::string name = asked.matches[1];
    function::check_name(name);
    operator_.remove(name);
    set_json(answer, 200, {{"name", name}});
  });
}

void Routes::add_layer_routes() {
  router_.on_post("/v1/layers", [this](const Asked&, Answer& answer, const ContentReader& in) {
    check_ready();
    const image::LayerAnswer layers = operator_.request_layers(diff_ids_in(in));
    set_json(answer, 200, {{"request", layers.request}, {"missing", layers.missing}});
  });
}

void Routes::add_version_routes() {
  const std::string path = std::string(kFunctions) + kName;
  router_.on_get(path + kVersions, [this](const Asked& asked, Answer& answer) {
    const std::string name = asked.matches[1];
    function::check_name(name);
    set_json(answer, 200, to_json(name, operator_.versions(name)));
  });
  router_.on_post(path + kRollback,
                  [this](const Asked& asked, Answer& answer, const ContentReader&) {
                    check_ready();
                    const std::string name = asked.matches[1];
                    function::check_name(name);
                    set_json(answer, 200, to_json(operator_.rollback(name, version_of(asked))));
                  });
  router_.on_post("/v1/gc", [this](const Asked&, Answer& answer, const ContentReader&) {
    check_ready();
    set_json(answer, 200, to_json(operator_.collect_garbage()));
  });
}

control::FunctionStatus Routes::find(const std::string& name) const {
  function::check_name(name);
  std::optional<control::FunctionStatus> status = operator_.find(name);
  if (!status) {
    throw HttpError(404, "unknown_function",
                    "there is no function '" + name + "'; `faas list` shows those there are");
  }
  return std::move(*status);
}

std::unique_ptr<control::Deploy> Routes::begin_deploy(const std::string& name,
                                                      const Asked& request) const {
  try {
    function::check_name(name);
    const DeployQuery query = deploy_query_of(request);
    check_upload(request);
    return operator_.begin_deploy(name, query.options, query.selection, query.layer_request);
  } catch (...) {
    // Or the next one would wait for layers that nobody brings.
    operator_.drop_layer_request(request.get_param_value("layer_request"));
    throw;
  }
}

// One of the deploys that are under way.
class Routes::Underway {
 public:
  explicit Underway(std::atomic<std::size_t>& deploys) : deploys_(deploys) {
    if (++deploys_ <= function::bounds::kMaxDeploys) return;
    --deploys_;
    throw HttpError(503, "too_many_deploys",
                    std::to_string(function::bounds::kMaxDeploys) +
                        " deploys are under way, which is the limit; try again");
  }
  ~Underway() { --deploys_; }
  Underway(const Underway&) = delete;
  Underway& operator=(const Underway&) = delete;

 private:
  std::atomic<std::size_t>& deploys_;
};

control::FunctionStatus Routes::deploy(const std::string& name, const Asked& request,
                                       const ContentReader& body) {
  check_ready();
  const Underway underway(deploys_);
  const std::unique_ptr<control::Deploy> deploy = begin_deploy(name, request);
  const bool whole = body([&deploy](const char* bytes, std::size_t size) {
    deploy->write({bytes, size});
    return true;
  });
  if (!whole) throw HttpError(400, "body_cut_off", "the body of the request is cut off");
  return deploy->finish();
}

}  // namespace api
