#include "faasd/api/script_routes.h"

#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "faasd/api/json_body.h"
#include "faasd/api/run_json.h"
#include "faasd/function/bounds.h"
#include "faasd/script/bounds.h"

namespace api {
namespace {

using Clock = std::chrono::steady_clock;
using Asked = httplib::Request;
using Answer = httplib::Response;
using httplib::ContentReader;
namespace bounds = script::bounds;

constexpr const char* kEventStream = "text/event-stream";

// Each byte of code and input may be written as \u0001.
JsonBody body_of(const Asked& asked, const ContentReader& in, script::Scripts& scripts) {
  const std::size_t most = 6 * (scripts.code_bytes() + bounds::kMaxInputBytes);
  return JsonBody(asked, in, {.bytes = most}, scripts.runner().room_for_request());
}

// The parameters of a query that may have these names only, each once.
std::string parameter(const Asked& asked, const std::string& wanted) {
  for (const auto& [key, text] : asked.params) {
    if (key == wanted && asked.params.count(key) == 1) continue;
    throw HttpError(400, "unknown_option",
                    "this path takes '" + wanted + "' once, and not '" + key + "'");
  }
  return asked.get_param_value(wanted);
}

// As go-faas takes it: 0, and what is no number, is the latest.
std::optional<std::uint64_t> version_in(const Asked& asked) {
  const std::string text = asked.get_param_value("version");
  std::uint64_t version = 0;
  const char* end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(text.data(), end, version);
  if (text.empty() || problem != std::errc() || rest != end || version == 0) {
    return std::nullopt;
  }
  return version;
}

// JSON, or a string with JSON in it, as go-faas's clients send it; any other string is itself.
std::string input_in(const JsonBody& body) {
  const std::string_view raw = body->raw("input");
  if (!raw.starts_with('"')) return std::string(raw == "null" ? "" : raw);
  const std::string text = *body->text("input");
  if (text.empty()) return {};
  // Nested in an object it can be looked at as one.
  const std::string nested = "{\"input\":" + text + "}";
  const auto members = script::JsonMembers::of(nested);
  return members && members->size() == 1 ? text : std::string(raw);
}

// What a request says. Its body is gone by then: nobody who waits holds one.
struct UploadCall {
  std::string path;
  std::string language;
  std::string code;
};
UploadCall upload_in(const JsonBody& body) {
  return {body.text("path", true), body.text("language", true), body.text("code", true)};
}

struct RunCall {
  bool stream = false;
  std::string language;  // and code: of one that brings its own
  std::string code;
  std::string input;

  void forget() { code = input = {}; }  // what is under way by now
};
RunCall run_in(const JsonBody& body, bool with_code) {
  RunCall call;
  call.stream = body.flag("stream");
  if (with_code) {
    call.language = body.text("language", true);
    call.code = body.text("code", true);
  }
  call.input = input_in(body);
  return call;
}

void set_verdict(Answer& answer, const script::Verdict& verdict) {
  answer.status = verdict.status;
  answer.set_content(verdict.json + "\n", "application/json");
  if (!verdict.retry_after.empty()) answer.set_header("Retry-After", verdict.retry_after);
}

// "RUN-NUMBER", as events are called.
struct EventId {
  std::string run;
  std::size_t number = 0;
};
std::optional<EventId> event_id_in(const std::string& text) {
  const std::size_t dash = text.find('-');
  EventId id;
  if (dash == std::string::npos) return std::nullopt;
  id.run = text.substr(0, dash);
  const char* end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(text.data() + dash + 1, end, id.number);
  if (problem != std::errc() || rest != end) return std::nullopt;
  return id;
}

}  // namespace

// One client's stream: the lines of a run as they come, then how it ended.
class ScriptRoutes::EventStream {
 public:
  EventStream(const ScriptRoutes& routes, std::unique_ptr<script::Audience> audience,
              std::size_t from)
      : routes_(routes), audience_(std::move(audience)), next_(from) {}

  // Some more of it, perhaps nothing; false if the client has left.
  bool send(httplib::DataSink& sink) {
    const script::Run::News news = audience_->run().wait(next_, bounds::kLook);
    std::string text;
    for (const script::Line& line : news.lines) add(text, log_event(line));
    if (!news.end && routes_.ending_) {
      audience_->stop(instance::Outcome::timeout, "faasd stops");
    }
    if (!sink.is_writable()) return false;
    const Clock::time_point now = Clock::now();
    if (text.empty() && now - last_sent_ >= bounds::kHeartbeat) text = ":\n\n";
    if (!text.empty()) {
      last_sent_ = now;
      if (!sink.write(text.data(), text.size())) return false;
    }
    if (news.end) return send_last(*news.end, sink);
    return true;
  }

 private:
  bool send_last(const script::End& end, httplib::DataSink& sink) {
    const script::Run& run = audience_->run();
    const std::string& event =
        run.last_words([&] { return last_event(script::verdict_of(run, end), end) + "\n\n"; });
    const std::string head = next_head();
    if (!sink.write(head.data(), head.size())) return false;
    if (!sink.write(event.data(), event.size())) return false;
    sink.done();
    return true;
  }

  void add(std::string& text, const std::string& event) { text += next_head() + event + "\n\n"; }

  std::string next_head() {
    ++next_;
    return "id: " + audience_->run().id() + "-" + std::to_string(next_) + "\ndata: ";
  }

  const ScriptRoutes& routes_;
  std::unique_ptr<script::Audience> audience_;
  std::size_t next_;
  Clock::time_point last_sent_ = Clock::now();
};

void ScriptRoutes::add_to(Router& router) {
  router.on_post("/upload", [this](const Asked& asked, Answer& response, const ContentReader& in) {
    upload(asked, response, in);
  });
  router.on_post("/run-now", [this](const Asked& asked, Answer& response, const ContentReader& in) {
    run_now(asked, response, in);
  });
  router.on_post(R"(/run/([\s\S]*))",
                 [this](const Asked& asked, Answer& response, const ContentReader& in) {
                   run(asked, response, in);
                 });
  router.on_get("/scripts",
                [this](const Asked& asked, Answer& response) { list(asked, response); });
  router.on_get(R"(/scripts/([\s\S]*))",
                [this](const Asked& asked, Answer& response) { describe(asked, response); });
  router.on_delete(R"(/scripts/([\s\S]*))",
                   [this](const Asked& asked, Answer& response, const ContentReader&) {
                     remove(asked, response);
                   });
}

void ScriptRoutes::upload(const Asked& asked, Answer& response, const ContentReader& in) {
  const UploadCall call = upload_in(body_of(asked, in, scripts_));
  try {
    const script::Scripts::Uploaded done =
        scripts_.upload(call.path, call.language, call.code, [&asked] { return has_left(asked); });
    set_json(response, 200,
             {{"path", done.path}, {"language", done.language}, {"version", done.version}});
  } catch (const script::CompileError& error) {
    set_verdict(response, error.verdict());
  }
}

void ScriptRoutes::run_now(const Asked& asked, Answer& response, const ContentReader& in) {
  if (rejoin(asked, response)) return;
  RunCall call = run_in(body_of(asked, in, scripts_), true);
  std::unique_ptr<script::Audience> audience =
      scripts_.run_now(call.language, call.code, call.input);
  call.forget();
  answer(asked, response, call.stream, std::move(audience));
}

void ScriptRoutes::run(const Asked& asked, Answer& response, const ContentReader& in) {
  if (rejoin(asked, response)) return;
  RunCall call = run_in(body_of(asked, in, scripts_), false);
  const std::string path = asked.matches[1];
  try {
    std::unique_ptr<script::Audience> audience =
        scripts_.run(path, version_in(asked), call.input, [&asked] { return has_left(asked); });
    if (!audience) throw HttpError(404, "unknown_script", "there is no such script or version");
    call.forget();
    answer(asked, response, call.stream, std::move(audience));
  } catch (const script::CompileError& error) {
    script::Verdict verdict = error.verdict();
    if (verdict.status == 400) verdict.status = 500;  // it is not this request that is wrong
    set_verdict(response, verdict);
  }
}

void ScriptRoutes::list(const Asked& asked, Answer& response) {
  const std::string after = parameter(asked, "after");
  nlohmann::json scripts = nlohmann::json::array();
  for (const script::Listed& each :
       scripts_.store().list(after, function::bounds::kMaxListedScripts)) {
    scripts.push_back({{"path", each.path}, {"language", each.language}, {"latest", each.latest}});
  }
  set_json(response, 200, {{"scripts", scripts}});
}

void ScriptRoutes::describe(const Asked& asked, Answer& response) {
  const std::string path = script::check_path(std::string(asked.matches[1]));
  const std::optional<script::Versions> found = scripts_.store().versions(path);
  if (!found) throw HttpError(404, "unknown_script", "there is no script '" + path + "'");
  set_json(response, 200,
           {{"path", found->path},
            {"language", found->language},
            {"latest", found->latest},
            {"versions", found->versions}});
}

void ScriptRoutes::remove(const Asked& asked, Answer& response) {
  const std::string path = script::check_path(std::string(asked.matches[1]));
  if (!scripts_.store().remove(path)) {
    throw HttpError(404, "unknown_script", "there is no script '" + path + "'");
  }
  set_json(response, 200, {{"path", path}});
}

void ScriptRoutes::answer(const Asked& asked, Answer& response, bool stream,
                          std::unique_ptr<script::Audience> audience) {
  if (stream) {
    scripts_.runner().keep(*audience);
    return start_stream(response, std::move(audience), 0);
  }
  const std::shared_ptr<const script::End> end =
      script::wait_for(*audience, [&asked] { return has_left(asked); });
  if (!end) throw HttpError(499, "client_left", "the client left");
  script::Verdict verdict = script::verdict_of(audience->run(), *end);
  verdict.json = answer_json(verdict, audience->run());
  set_verdict(response, verdict);
  add_receipt_headers(response, *end);
  hold_until_sent(response, std::move(audience));
}

// What a client that was cut off asks for again, with the number of the last event that it has had.
bool ScriptRoutes::rejoin(const Asked& asked, Answer& response) {
  if (!asked.has_header("Last-Event-ID")) return false;
  const std::optional<EventId> id = event_id_in(asked.get_header_value("Last-Event-ID"));
  std::unique_ptr<script::Audience> audience = id ? scripts_.runner().rejoin(id->run) : nullptr;
  // To run it once more is not what was asked for.
  if (!audience) {
    throw HttpError(404, "unknown_run",
                    "no run with this Last-Event-ID is kept any more; leave the header out to run "
                    "the script again");
  }
  start_stream(response, std::move(audience), id->number);
  return true;
}

void ScriptRoutes::start_stream(Answer& response, std::unique_ptr<script::Audience> audience,
                                std::size_t from) {
  const auto stream = std::make_shared<EventStream>(*this, std::move(audience), from);
  response.set_header("X-Accel-Buffering", "no");  // nginx would gather lines first
  response.set_content_provider(
      kEventStream, [stream](std::size_t, httplib::DataSink& sink) { return stream->send(sink); });
}

}  // namespace api
