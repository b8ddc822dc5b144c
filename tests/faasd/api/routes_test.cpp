// The whole API over real sockets, on an Operator that keeps its functions in memory.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "memory_daemon.h"
#include "oci/sys/file.h"

using api_test::Daemon;
using api_test::is_root;
using api_test::json_of;
using api_test::MemoryOperator;
using api_test::status_of_answer;
using nlohmann::json;
using sys::Refused;

namespace {

constexpr sys::Ipv4 kLoopback{0x7f000001};
constexpr uid_t kNobody = 65534;
const std::string kToken = "0123456789abcdef0123456789abcdef";

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

TEST_CASE("A4: a bad name is 400, and nothing is touched") {
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

TEST_CASE("a deploy that is refused before it begins lets go of the layers that it was to bring") {
  Daemon daemon;
  daemon.ask("PUT", "/v1/functions/a?layer_request=0123&memory=0", "", "x");
  daemon.ask("PUT", "/v1/functions/B?layer_request=4567", "", "x");
  CHECK(daemon.op.dropped_requests == std::vector<std::string>{"0123", "4567"});
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

TEST_CASE("A5: another uid is refused before a byte of its body is read") {
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

TEST_CASE("A6: what was to change something leaves one line, and nothing forges another") {
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
    const api::Api api(op, nullptr, log, options, std::move(listeners));
  };
  CHECK_THROWS_AS(start({}), Refused);
  const api_test::TemporaryDirectory directory;
  api::ApiOptions options;
  options.token_file = directory.path() / "token";
  sys::write_file_durably(options.token_file, kToken);
  CHECK_NOTHROW(start(options));
}
