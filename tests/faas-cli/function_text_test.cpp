#include "faas-cli/function_text.h"

#include <doctest/doctest.h>

using cli::Json;

TEST_CASE("the list has aligned columns, numbers to the right") {
  const Json functions = Json::parse(R"([
    {"name":"a","ip":"127.77.0.10","version":1,"image":"sha256:0123456789abcdef","mode":"ephemeral",
     "live":0,"parked":0,"queued":0,"invocations":7},
    {"name":"longer","ip":"127.77.0.9","version":12,"image":"sha256:fedcba9876543210",
     "mode":"ephemeral","live":3,"parked":0,"queued":0,"invocations":12345}])");
  CHECK(
      cli::list_text(functions) ==
      "NAME    IP           VERSION  IMAGE         MODE       LIVE  PARKED  QUEUED  INVOCATIONS\n"
      "a       127.77.0.10        1  0123456789ab  ephemeral     0       0       0            7\n"
      "longer  127.77.0.9        12  fedcba987654  ephemeral     3       0       0        12345\n");
}

TEST_CASE("an empty list is its head") {
  CHECK(cli::list_text(Json::array()) ==
        "NAME  IP  VERSION  IMAGE  MODE  LIVE  PARKED  QUEUED  INVOCATIONS\n");
}

TEST_CASE("the list copes with what a daemon should not send") {
  const std::string table = cli::list_text(Json::parse(R"([{"name":"x\ny","image":null}, {}])"));
  CHECK(table.find("x\\x0ay") != std::string::npos);
  CHECK(std::count(table.begin(), table.end(), '\n') == 3);
}

TEST_CASE("the list of runtimes has a row for each language") {
  const Json runtimes = Json::parse(R"([
    {"language":"python","version":"3.11.2","aliases":["py","python3"],"function":"python",
     "image":"sha256:0123456789abcdef"},
    {"language":"c++","version":"12.2.0","aliases":[],"function":"cpp","image":"sha256:1"}])");
  CHECK(cli::runtimes_text(runtimes) ==
        "LANGUAGE  VERSION  ALIASES     FUNCTION  IMAGE\n"
        "python    3.11.2   py python3  python    0123456789ab\n"
        "c++       12.2.0   -           cpp       1\n");
  CHECK(cli::runtimes_text(Json::array()) == "LANGUAGE  VERSION  ALIASES  FUNCTION  IMAGE\n");
}

TEST_CASE("a description has units, nested objects and one variable a line") {
  const Json function = Json::parse(R"({"name":"a","cmd":["/x","a b"],"env":["K=V","L=W"],
    "launcher":"","limits":{"memory_bytes":268435456,"timeout_ms":1500,"cpus":0.5},
    "config":{"labels":{},"cmd":[],"user":null},"later_field":[{"x":1}]})");
  CHECK(cli::describe_text(function) ==
        "name:         a\n"
        "cmd:          [\"/x\",\"a b\"]\n"
        "launcher:     -\n"
        "limits:\n"
        "  memory:   256 MiB (268435456 bytes)\n"
        "  timeout:  1.5 s\n"
        "  cpus:     0.5\n"
        "env:\n"
        "  K=V\n"
        "  L=W\n"
        "later_field:  [{\"x\":1}]\n"
        "config:\n"
        "  labels:  -\n"
        "  cmd:     -\n"
        "  user:    -\n");
}

TEST_CASE("a description starts with the name, whatever order the daemon sends") {
  const std::string page =
      cli::describe_text(Json::parse(R"({"cmd":[],"config":{},"ip":"1","name":"a","zeta":1})"));
  CHECK(page == "name:    a\nip:      1\ncmd:     -\nzeta:    1\nconfig:  -\n");
}

TEST_CASE("keys and values of an image cannot reach the terminal raw") {
  const Json function = Json::parse(
      R"({"config":{"labels":{"a\u001b[2J":"b\u0007\u202e"},"env":["X=\u001b]0;t\u0007"],
          "cmd":["\u009b2J"]}})");
  const std::string page = cli::describe_text(function);
  for (const char c : page) CHECK((c == '\n' || (c >= 0x20 && c < 0x7f)));
  CHECK(page.find("a\\x1b[2J:") != std::string::npos);
}

TEST_CASE("objects nested without end stay on one line") {
  std::string text = "1";
  for (int i = 0; i < 50; ++i) text = R"({"k":)" + text + "}";
  const std::string page = cli::describe_text(Json::parse(text));
  CHECK(std::count(page.begin(), page.end(), '\n') < 10);
}

TEST_CASE("versions have a mark for the current one, and say what each is") {
  const Json versions = Json::parse(R"([
    {"version":10,"current":true,"image":"sha256:0123456789abcdef","rollback_of":8,
     "created_at":"2026-01-31T12:00:00Z"},
    {"version":9,"current":false,"image":"sha256:fedcba9876543210",
     "created_at":"2026-01-30T12:00:00Z"}])");
  CHECK(cli::versions_text(versions) ==
        "VERSION  CURRENT  IMAGE         CREATED               ORIGIN\n"
        "     10  *        0123456789ab  2026-01-31T12:00:00Z  rollback of 8\n"
        "      9           fedcba987654  2026-01-30T12:00:00Z  deployed\n");
  CHECK(cli::versions_text(Json::parse(R"([{}, {"version":"\u001b[2J"}])")).find('\x1b') ==
        std::string::npos);
}
