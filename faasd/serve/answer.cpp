#include "faasd/serve/answer.h"

#include <nlohmann/json.hpp>

namespace serve {
namespace {

std::string_view phrase(int status) {
  switch (status) {
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Error";
  }
}

}  // namespace

std::string to_http(const Answer& answer) {
  const nlohmann::json json = {{"error", answer.message}, {"code", answer.code}};
  const std::string body =
      json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
  std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " ";
  text += phrase(answer.status);
  text += "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size());
  text += "\r\nConnection: close\r\n";
  if (!answer.instance.empty()) text += "X-Faas-Instance: " + answer.instance + "\r\n";
  if (answer.retry_after) {
    text += "Retry-After: " + std::to_string(answer.retry_after->count()) + "\r\n";
  }
  return text + "\r\n" + body;
}

}  // namespace serve
