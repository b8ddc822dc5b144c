// The whole API over real sockets, on an Operator that keeps its functions in memory.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "client.h"
#include "faasd/api/api.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"

using api_test::body_of_answer;
using api_test::status_of_answer;
using nlohmann::json;
using sys::Refusal;
using sys::Refused;

namespace {

constexpr sys::Ipv4 kLoopback{0x7f000001};
constexpr sys::Ipv4 kFirstAddress{0x7f4d000a};
constexpr uid_t kNobody = 65534;
const std::string kToken = "0123456789abcdef0123456789abcdef";

class MemoryOperator : public control::Operator {
 public:
  std::unique_ptr<control::Deploy> begin_deploy(const std::string& name,
                                                const function::Options& options) override;
  void remove(const std::string& name) override {
    const std::lock_guard lock(mutex_);
    if (name == "broken") throw std::runtime_error("write /state/broken.json: No space left");
    if (functions_.erase(name) == 0) {
      throw Refused(Refusal::not_found, "unknown_function", "there is no function " + name);
    }
  }
  std::optional<control::FunctionStatus> find(const std::string& name) override {
    const std::lock_guard lock(mutex_);
    const auto it = functions_.find(name);
    if (it == functions_.end()) return std::nullopt;
    return it->second;
  }
  std::vector<control::FunctionStatus> list() override {
    const std::lock_guard lock(mutex_);
    std::vector<control::FunctionStatus> all;
    for (const auto& [name, status] : functions_) all.push_back(status);
    return all;
  }

  control::FunctionStatus rollback(const std::string& name,
                                   std::optional<std::uint64_t> version) override {
    control::FunctionStatus status = known(name);
    if (version.value_or(1) > 1) throw Refused(Refusal::not_found, "unknown_version", "no such");
    status.function.rollback_of = 1;
    return put(std::move(status));
  }
  std::vector<function::Version> versions(const std::string& name) override {
    const control::FunctionStatus status = known(name);
    function::Version first = status.function;
    first.version = 1;
    first.rollback_of = 0;
    return {status.function, first};
  }
  control::Collected collect_garbage() override { return garbage; }

  control::FunctionStatus put(control::FunctionStatus status) {
    const std::lock_guard lock(mutex_);
    const auto it = functions_.find(status.function.name);
    if (it != functions_.end()) status.function.version = it->second.function.version + 1;
    return functions_.insert_or_assign(status.function.name, status).first->second;
  }

  control::Collected garbage;
  int begun = 0;
  int undone = 0;
  std::size_t written = 0;

 private:
  control::FunctionStatus known(const std::string& name) {
    if (const auto status = find(name)) return *status;
    throw Refused(Refusal::not_found, "unknown_function", "there is no function " + name);
  }

  std::mutex mutex_;
  std::map<std::string, control::FunctionStatus> functions_;
};

class MemoryDeploy : public control::Deploy {
 public:
  MemoryDeploy(MemoryOperator& op, control::FunctionStatus status)
      : operator_(op), status_(std::move(status)) {}
  ~MemoryDeploy() override { operator_.undone += finished_ ? 0 : 1; }

  void write(std::string_view bytes) override {
    operator_.written += bytes.size();
    start_ += bytes.substr(0, 8);
    if (start_.starts_with("not tar")) {
      throw Refused(Refusal::invalid, "not_a_tarball", "the body is no tarball");
    }
    if (start_.starts_with("toolarge")) {
      throw Refused(Refusal::too_large, "image_too_large", "the image is over a bound");
    }
  }
  control::FunctionStatus finish() override {
    finished_ = true;
    return operator_.put(status_);
  }

 private:
  MemoryOperator& operator_;
  control::FunctionStatus status_;
  std::string start_;
  bool finished_ = false;
};

std::unique_ptr<control::Deploy> MemoryOperator::begin_deploy(const std::string& name,
                                                              const function::Options& options) {
  ++begun;
  if (name == "full") throw Refused(Refusal::exhausted, "no_address", "the subnet is full");
  if (name == "taken") throw Refused(Refusal::conflict, "port_in_use", "the port is in use");
  if (name == "busy") throw Refused(Refusal::unavailable, "busy", "too many deploys at once");
  control::FunctionStatus status;
  status.function.name = name;
  status.function.image = "sha256:" + std::string(64, 'a');
  status.function.address = kFirstAddress;
  status.function.command = {"/bin/hello", "caf\xe9"};  // Latin-1: not UTF-8
  status.function.env = options.env;
  status.function.limits = options.limits;
  auto image = std::make_shared<image::Image>();
  image->digest = status.function.image;
  image->rootfs = "/state/images/aa/rootfs";
  image->config.entrypoint = {"/bin/hello"};
  image->config.labels = {{"k", "v"}};
  status.image = std::move(image);
  return std::make_unique<MemoryDeploy>(*this, std::move(status));
}

struct Daemon {
  sys::Log log;
  api_test::TemporaryDirectory directory;
  MemoryOperator op;
  sys::TcpEndpoint endpoint;
  std::unique_ptr<api::Api> api;

  explicit Daemon(const std::string& token = "", bool ready = true,
                  sys::LogLevel level = sys::LogLevel::error)
      : log(level, sys::LogFormat::text) {
    api::ApiOptions options;
    if (!token.empty()) {
      options.token_file = directory.path() / "token";
      sys::write_file_durably(options.token_file, token);
    }
    std::vector<sys::UniqueFd> listeners;
    const sys::UniqueFd dir = sys::open_directory(directory.path());
    // 0666 lets the tests see what the API itself says to another uid.
    listeners.push_back(sys::listen_unix(dir.get(), "api.sock", 0666, 16));
    std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
    listeners.push_back(sys::listen_tcp({kLoopback, 0}, 16));
    endpoint = sys::local_endpoint(listeners.back().get());
    api = std::make_unique<api::Api>(op, log, options, std::move(listeners));
    api->start();
    api->set_ready(ready);
  }

  // Over the Unix socket, whose rules do not depend on the uid of who runs the test as long as it
  // is root; the tests of other callers say so themselves.
  std::string ask(const std::string& method, const std::string& target,
                  const std::string& headers = "", const std::string& body = "") const {
    return api_test::exchange(api_test::connect_unix(directory.path() / "api.sock").get(),
                              request(method, target, headers, body));
  }
  static std::string request(const std::string& method, const std::string& target,
                             const std::string& headers, const std::string& body) {
    std::string text = method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers;
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return text + "\r\n" + body;
  }
};

bool is_root() {
  if (::geteuid() == 0) return true;
  MESSAGE("skipped: the API serves root, and this test runs as another user");
  return false;
}

json json_of(const std::string& answer) {
  return json::parse(body_of_answer(answer));
}

// Runs `body` on a thread that is nobody, to the kernel as well (the raw call changes one thread).
template <typename Body>
void as_nobody(Body body) {
  std::thread([&] {
    REQUIRE(::syscall(SYS_setresuid, kNobody, kNobody, kNobody) == 0);
    body();
  }).join();
}

}  // namespace

TEST_CASE("a function is deployed, looked at, replaced and removed") {
  if (!is_root()) return;
  const Daemon daemon;
  std::string answer =
      daemon.ask("PUT", "/v1/functions/hello?memory=64M&env=A%3D1&env=B=2=3", "", "tarball");
  CHECK(status_of_answer(answer) == 201);
  json function = json_of(answer);
  CHECK(function["name"] == "hello");
  CHECK(function["ip"] == "127.77.0.10");
  CHECK(function["version"] == 1);
  CHECK(function["port"] == 80);
  CHECK(function["rootfs"] == "/state/images/aa/rootfs");
  CHECK(function["env"] == json{"A=1", "B=2=3"});
  CHECK(function["limits"]["memory_bytes"] == 64 << 20);
  CHECK(function["config"]["labels"]["k"] == "v");
  CHECK(function["cmd"][1] == "caf\xef\xbf\xbd");  // U+FFFD for what was no UTF-8
  for (const char* count : {"live", "parked", "queued", "invocations"}) CHECK(function[count] == 0);
  CHECK(daemon.op.written == 7);

  answer = daemon.ask("PUT", "/v1/functions/hello", "", "tarball");
  CHECK(status_of_answer(answer) == 200);
  CHECK(json_of(answer)["version"] == 2);
  CHECK(json_of(daemon.ask("GET", "/v1/functions/hello"))["version"] == 2);
  CHECK(json_of(daemon.ask("GET", "/v1/functions"))["functions"].size() == 1);

  CHECK(status_of_answer(daemon.ask("DELETE", "/v1/functions/hello")) == 200);
  CHECK(status_of_answer(daemon.ask("DELETE", "/v1/functions/hello")) == 404);
  CHECK(json_of(daemon.ask("GET", "/v1/functions/hello"))["code"] == "unknown_function");
  CHECK(json_of(daemon.ask("GET", "/v1/functions")) == json{{"functions", json::array()}});
}

TEST_CASE("versions are listed and rolled back to, also of functions that are called so") {
  if (!is_root()) return;
  const Daemon daemon;
  for (const std::string name : {"hello", "versions", "rollback", "a.b"}) {
    CAPTURE(name);
    const std::string path = "/v1/functions/" + name;
    CHECK(status_of_answer(daemon.ask("GET", path)) == 404);
    CHECK(status_of_answer(daemon.ask("GET", path + "/versions")) == 404);
    CHECK(status_of_answer(daemon.ask("POST", path + "/rollback")) == 404);
    CHECK(status_of_answer(daemon.ask("PUT", path, "", "tarball")) == 201);
    CHECK(json_of(daemon.ask("GET", path))["name"] == name);
    CHECK(json_of(daemon.ask("GET", path))["kept_versions"] == 1);

    const json back = json_of(daemon.ask("POST", path + "/rollback?version=1"));
    CHECK(back["version"] == 2);
    CHECK(back["rollback_of"] == 1);
    CHECK(status_of_answer(daemon.ask("POST", path + "/rollback")) == 200);

    const json answer = json_of(daemon.ask("GET", path + "/versions"));
    CHECK(answer["name"] == name);
    REQUIRE(answer["versions"].size() == 2);
    CHECK(answer["versions"][0]["version"] == 3);
    CHECK(answer["versions"][0]["current"] == true);
    CHECK(answer["versions"][0]["rollback_of"] == 1);
    CHECK(answer["versions"][1]["current"] == false);
    CHECK(answer["versions"][1]["image"] == back["image"]);
    CHECK_FALSE(answer["versions"][1].contains("rollback_of"));
  }
}

TEST_CASE("a rollback to what is no version, or with anything beside it, is refused") {
  if (!is_root()) return;
  const Daemon daemon;
  CHECK(status_of_answer(daemon.ask("PUT", "/v1/functions/a", "", "tarball")) == 201);
  for (const char* query : {"?version=", "?version=0", "?version=-1", "?version=%2B1",
                            "?version=1x", "?version=1.0", "?version", "?version=1&version=1",
                            "?version=99999999999999999999", "?memory=64M", "?version=1&env=A=b"}) {
    CAPTURE(query);
    CHECK(status_of_answer(daemon.ask("POST", std::string("/v1/functions/a/rollback") + query)) ==
          400);
  }
  const json unknown = json_of(daemon.ask("POST", "/v1/functions/a/rollback?version=9"));
  CHECK(unknown["code"] == "unknown_version");
  CHECK(json_of(daemon.ask("GET", "/v1/functions/a"))["version"] == 1);
  for (const char* path : {"/v1/functions//versions", "/v1/functions/A/versions",
                           "/v1/functions/a/b/versions", "/v1/functions/versions/a"}) {
    CAPTURE(path);
    CHECK(json_of(daemon.ask("GET", path))["code"] == "bad_name");
  }
  CHECK(json_of(daemon.ask("POST", "/v1/functions//rollback"))["code"] == "bad_name");
  for (const auto& [method, suffix, allowed] :
       {std::tuple("POST", "/versions", "GET"), std::tuple("DELETE", "/versions", "GET"),
        std::tuple("GET", "/rollback", "POST"), std::tuple("PUT", "/rollback", "POST")}) {
    const std::string answer = daemon.ask(method, std::string("/v1/functions/a") + suffix);
    CHECK(status_of_answer(answer) == 405);
    CHECK(answer.find(std::string("\r\nAllow: ") + allowed + "\r\n") != std::string::npos);
  }
}

TEST_CASE("a collection of garbage says what the disk got back, and what stood in its way") {
  if (!is_root()) return;
  Daemon daemon;
  daemon.op.garbage.freed = {2, 3, 4096};
  CHECK(json_of(daemon.ask("POST", "/v1/gc")) ==
        json{{"images", 2}, {"layers", 3}, {"bytes", 4096}});
  daemon.op.garbage.unread = {"a.json.corrupt"};
  CHECK(json_of(daemon.ask("POST", "/v1/gc"))["unread"] == json{"a.json.corrupt"});
  CHECK(status_of_answer(daemon.ask("GET", "/v1/gc")) == 405);
  daemon.api->set_ready(false);
  CHECK(status_of_answer(daemon.ask("POST", "/v1/gc")) == 503);
  CHECK(status_of_answer(daemon.ask("POST", "/v1/functions/a/rollback")) == 503);
}

TEST_CASE("the interface of the earlier daemon works") {
  if (!is_root()) return;
  const Daemon daemon;
  CHECK(json_of(daemon.ask("GET", "/api/list")) == json::object());
  const std::string answer = daemon.ask("POST", "/api/new", "X-Image-Name: hello\r\n", "tarball");
  CHECK(status_of_answer(answer) == 200);
  CHECK(json_of(answer)["name"] == "hello");
  CHECK(json_of(answer)["ip"] == "127.77.0.10");
  CHECK(json_of(answer)["cmd"][0] == "/bin/hello");
  CHECK(json_of(daemon.ask("GET", "/api/ip/hello")) ==
        json{{"name", "hello"}, {"ip", "127.77.0.10"}});
  const json entry = json_of(daemon.ask("GET", "/api/list"))["hello"];
  CHECK(entry.size() == 3);
  CHECK(entry["ip"] == "127.77.0.10");
  CHECK(entry["rootfs"] == "/state/images/aa/rootfs");
  CHECK(entry["cmd"][0] == "/bin/hello");
  CHECK(status_of_answer(daemon.ask("GET", "/api/ip/absent")) == 404);
  CHECK(status_of_answer(daemon.ask("POST", "/api/new", "", "tarball")) == 400);
}

TEST_CASE("a bad name is 400, and nothing is touched") {
  if (!is_root()) return;
  const Daemon daemon;
  for (const std::string& name :
       {std::string(), std::string(".."), std::string("../x"), std::string("%2e%2e%2fx"),
        std::string("a%2Fb"), std::string("a/b"), std::string("a%00"), std::string("A"),
        std::string("-a"), std::string("a-"), std::string("a%20b"), std::string(65, 'a')}) {
    CAPTURE(name);
    for (const char* method : {"PUT", "GET", "DELETE"}) {
      CHECK(status_of_answer(daemon.ask(method, "/v1/functions/" + name, "", "x")) == 400);
    }
    CHECK(status_of_answer(daemon.ask("GET", "/api/ip/" + name)) == 400);
  }
  for (const char* name : {"", "../x", "a/b", "A", "a b", "caf\xc3\xa9"}) {
    CHECK(status_of_answer(daemon.ask("POST", "/api/new",
                                      "X-Image-Name: " + std::string(name) + "\r\n", "x")) == 400);
  }
  CHECK(status_of_answer(
            daemon.ask("POST", "/api/new", "X-Image-Name: a\r\nX-Image-Name: b\r\n", "x")) == 400);
  CHECK(daemon.op.begun == 0);
}

TEST_CASE("a bad option or upload is refused before the deploy begins") {
  if (!is_root()) return;
  const Daemon daemon;
  const auto put = [&](const std::string& query, const std::string& headers) {
    return status_of_answer(daemon.ask("PUT", "/v1/functions/a" + query, headers, "x"));
  };
  CHECK(put("?memory=plenty", "") == 400);
  CHECK(put("?no-such-option=1", "") == 400);
  CHECK(put("?memory=64M&memory=65M", "") == 400);
  CHECK(put("?memory", "") == 400);
  CHECK(put("", "Content-Encoding: gzip\r\n") == 415);
  CHECK(put("", "Content-Type: multipart/form-data; boundary=x\r\n") == 415);
  CHECK(json_of(daemon.ask("PUT", "/v1/functions/a"))["code"] == "empty_body");
  CHECK(daemon.op.begun == 0);
}

TEST_CASE("a refusal of the operator has its status and its code") {
  if (!is_root()) return;
  const Daemon daemon;
  const std::vector<std::tuple<std::string, std::string, int, std::string>> rows = {
      {"full", "x", 507, "no_address"},
      {"taken", "x", 409, "port_in_use"},
      {"busy", "x", 503, "busy"},
      {"a", "not tar", 400, "not_a_tarball"},
      {"a", "toolarge", 413, "image_too_large"},
  };
  for (const auto& [name, body, status, code] : rows) {
    const std::string answer = daemon.ask("PUT", "/v1/functions/" + name, "", body);
    CHECK(status_of_answer(answer) == status);
    CHECK(json_of(answer)["code"] == code);
  }
  const std::string answer = daemon.ask("DELETE", "/v1/functions/broken");
  CHECK(status_of_answer(answer) == 500);
  CHECK(json_of(answer)["error"] == "write /state/broken.json: No space left");
}

TEST_CASE("a cut off upload is undone") {
  if (!is_root()) return;
  Daemon daemon;
  const sys::UniqueFd client = api_test::connect_unix(daemon.directory.path() / "api.sock");
  api_test::send_text(
      client.get(),
      Daemon::request("PUT", "/v1/functions/a", "Content-Length: 100\r\n", "") + "tar");
  sys::shutdown_write(client.get());
  CHECK(json_of(api_test::receive_all(client.get()))["code"] == "body_cut_off");
  daemon.api.reset();  // joins, so that the counts may be read
  CHECK(daemon.op.begun == 1);
  CHECK(daemon.op.undone == 1);
  CHECK(daemon.op.list().empty());
}

TEST_CASE("an unknown path is 404, a known one with another method 405 that says which") {
  if (!is_root()) return;
  const Daemon daemon;
  for (const char* path :
       {"/", "/v1", "/v2/functions", "/api", "/healthz/x", "/api/list/x", "//"}) {
    CAPTURE(path);
    const std::string answer = daemon.ask("GET", path);
    CHECK(status_of_answer(answer) == 404);
    CHECK(json_of(answer)["code"] == "unknown_path");
  }
  const std::string answer = daemon.ask("PATCH", "/v1/functions/a");
  CHECK(status_of_answer(answer) == 405);
  CHECK(answer.find("\r\nAllow: PUT, GET, DELETE\r\n") != std::string::npos);
  CHECK(status_of_answer(daemon.ask("GET", "/api/new")) == 405);
}

TEST_CASE("health, readiness and version are for everybody") {
  const Daemon daemon(kToken, false);
  const auto ask = [&](const std::string& path) {
    return api_test::exchange(api_test::connect_tcp(daemon.endpoint).get(),
                              Daemon::request("GET", path, "Host-Of: none\r\n", ""));
  };
  CHECK(json_of(ask("/healthz")) == json{{"status", "ok"}});
  CHECK(status_of_answer(ask("/readyz")) == 503);
  daemon.api->set_ready(true);
  CHECK(status_of_answer(ask("/readyz")) == 200);
  daemon.api->set_ready(false);
  CHECK(status_of_answer(ask("/readyz")) == 503);
  CHECK(json_of(ask("/version"))["name"] == "faasd");
}

TEST_CASE("nothing is changed before the daemon is ready") {
  if (!is_root()) return;
  const Daemon daemon("", false);
  CHECK(status_of_answer(daemon.ask("PUT", "/v1/functions/a", "", "x")) == 503);
  CHECK(status_of_answer(daemon.ask("GET", "/v1/functions")) == 200);
  CHECK(daemon.op.begun == 0);
}

TEST_CASE("another uid is refused before a byte of its body is read") {
  if (!is_root()) return;
  const Daemon daemon;
  as_nobody([&] {
    for (const sys::UniqueFd& client :
         {api_test::connect_tcp(daemon.endpoint),
          api_test::connect_unix(daemon.directory.path() / "api.sock")}) {
      // Only the head is sent: an answer shows that nobody waited for the body.
      api_test::send_text(client.get(), Daemon::request("PUT", "/v1/functions/a",
                                                        "Content-Length: 1000000\r\n", ""));
      const std::string answer = api_test::receive_until(client.get(), "}");
      CHECK(status_of_answer(answer) == 403);
      CHECK(json_of(answer)["code"] == "forbidden");
    }
    CHECK(status_of_answer(api_test::exchange(api_test::connect_tcp(daemon.endpoint).get(),
                                              Daemon::request("GET", "/no/such/path", "", ""))) ==
          403);
  });
  CHECK(daemon.op.begun == 0);
}

TEST_CASE("with a token, another uid is told to present it, and is served when it does") {
  if (!is_root()) return;
  const Daemon daemon(kToken + "\n");
  as_nobody([&] {
    const auto ask = [&](const std::string& headers) {
      return api_test::exchange(api_test::connect_tcp(daemon.endpoint).get(),
                                Daemon::request("GET", "/v1/functions", headers, ""));
    };
    const std::string answer = ask("");
    CHECK(status_of_answer(answer) == 401);
    CHECK(answer.find("\r\nWWW-Authenticate: Bearer") != std::string::npos);
    CHECK(status_of_answer(ask("Authorization: Bearer " + kToken + "x\r\n")) == 401);
    CHECK(status_of_answer(ask("Authorization: Bearer " + kToken + "\r\n")) == 200);
  });
}

TEST_CASE("a web page cannot use the rights of the user who looks at it") {
  if (!is_root()) return;
  const Daemon daemon;
  const auto ask = [&](const std::string& text) {
    return status_of_answer(api_test::exchange(api_test::connect_tcp(daemon.endpoint).get(), text));
  };
  CHECK(ask(Daemon::request("GET", "/v1/functions", "", "")) == 200);
  CHECK(ask(Daemon::request("GET", "/v1/functions", "Origin: https://evil.example\r\n", "")) ==
        403);
  CHECK(ask("GET /v1/functions HTTP/1.1\r\nHost: evil.example:8080\r\n\r\n") == 403);
}

TEST_CASE("everything that was to change something leaves one line, and nothing forges another") {
  if (!is_root()) return;
  const api_test::TemporaryDirectory directory;
  const std::filesystem::path file = directory.path() / "stderr";
  {
    const sys::UniqueFd saved = sys::duplicate(STDERR_FILENO);
    const sys::UniqueFd capture = sys::open_file(file, O_WRONLY | O_CREAT, 0600);
    ::dup2(capture.get(), STDERR_FILENO);
    {
      const Daemon daemon("", true, sys::LogLevel::info);
      daemon.ask("PUT", "/v1/functions/hello?env=K=A%0Aaudit", "", "tarball");
      daemon.ask("DELETE", "/v1/functions/a%0Aaudit%20caller=uid:0");
      daemon.ask("POST", "/api/new", "X-Image-Name: a\tb\r\n", "x");
      daemon.ask("POST", "/v1/functions/hello/rollback?version=1");
      daemon.ask("GET", "/v1/functions/hello/versions");
    }
    ::dup2(saved.get(), STDERR_FILENO);
  }
  std::ifstream lines(file);
  std::vector<std::string> audit;
  for (std::string line; std::getline(lines, line);) audit.push_back(line);
  REQUIRE(audit.size() == 4);
  CHECK(audit[0].find(" audit caller=uid:0 from=unix method=PUT ") != std::string::npos);
  CHECK(audit[0].find(" function=hello status=201") != std::string::npos);
  CHECK(audit[1].find(R"( function="a\naudit caller=uid:0" status=400)") != std::string::npos);
  CHECK(audit[2].find(R"( function="a\tb" status=400)") != std::string::npos);
  CHECK(audit[3].find(" function=hello status=200") != std::string::npos);
}

TEST_CASE("an address that others can reach needs a token") {
  const sys::Log log(sys::LogLevel::error, sys::LogFormat::text);
  MemoryOperator op;
  const auto start = [&](const api::ApiOptions& options) {
    std::vector<sys::UniqueFd> listeners;
    listeners.push_back(sys::listen_tcp({sys::Ipv4{0}, 0}, 1));
    const api::Api api(op, log, options, std::move(listeners));
  };
  CHECK_THROWS_AS(start({}), Refused);
  const api_test::TemporaryDirectory directory;
  api::ApiOptions options;
  options.token_file = directory.path() / "token";
  sys::write_file_durably(options.token_file, kToken);
  CHECK_NOTHROW(start(options));
}
