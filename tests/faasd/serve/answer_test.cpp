#include "faasd/serve/answer.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

TEST_CASE("an answer is whole HTTP, says how long it is, and closes") {
  const std::string text =
      serve::to_http({503, "no_capacity", "full", "", std::chrono::seconds(7)});
  CHECK(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  CHECK(text.find("\r\nConnection: close\r\n") != std::string::npos);
  CHECK(text.find("\r\nRetry-After: 7\r\n") != std::string::npos);
  CHECK(text.find("X-Faas-Instance") == std::string::npos);
  const std::string body = text.substr(text.find("\r\n\r\n") + 4);
  CHECK(text.find("Content-Length: " + std::to_string(body.size()) + "\r\n") != std::string::npos);
  CHECK(nlohmann::json::parse(body) == nlohmann::json{{"error", "full"}, {"code", "no_capacity"}});
}

TEST_CASE("no message can break out of the body") {
  const std::string text =
      serve::to_http({502, "launch_failed", "a\r\n\r\nHTTP/1.1 200 OK \xff\"", "0123", {}});
  const std::string body = text.substr(text.find("\r\n\r\n") + 4);
  CHECK(nlohmann::json::parse(body).size() == 2);
  CHECK(text.find("\r\nX-Faas-Instance: 0123\r\n") != std::string::npos);
}
