#include "faas-cli/answer_json.h"

#include "faas-cli/failure.h"

namespace cli {

std::string place_in(const Json& failure) {
  std::string place;
  for (const char* key : {"line", "column"}) {
    const auto number = failure.find(key);
    if (number == failure.end() || !number->is_number_unsigned()) break;
    place += (place.empty() ? " (" : ", ") + std::string(key) + " " + number->dump();
  }
  return place.empty() ? place : place + ")";
}

std::string error_message(const Answer& answer) {
  const Json body = Json::parse(answer.body, nullptr, false);
  if (body.is_object()) {
    const auto error = body.find("error");
    if (error != body.end() && error->is_string()) {
      return error->get<std::string>() + place_in(body);
    }
  }
  return "the daemon answered with HTTP status " + std::to_string(answer.status) + " and no reason";
}

void require_ok(const Answer& answer) {
  if (!answer.ok()) throw Failure(ExitCode::refused, error_message(answer));
}

Json require_object(const Answer& answer, const Endpoint& endpoint) {
  require_ok(answer);
  Json body = Json::parse(answer.body, nullptr, false);
  if (!body.is_object()) {
    throw Failure(ExitCode::no_daemon,
                  endpoint.describe() + " answers, but not as faasd does: is it another program?");
  }
  return body;
}

std::string text_of(const Json& object, const std::string& key) {
  const auto value = object.find(key);
  if (value == object.end() || value->is_null()) return "-";
  if (value->is_string()) return value->get<std::string>();
  return value->dump(-1, ' ', true);
}

Json list_of(const Json& object, const std::string& key) {
  const auto value = object.find(key);
  return value != object.end() && value->is_array() ? *value : Json::array();
}

std::string to_text(const Json& json) {
  return json.dump(2, ' ', true) + "\n";
}

}  // namespace cli
