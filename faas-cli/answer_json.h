// From an answer of the daemon to JSON, or to the reason why not. Keys keep the daemon's order.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "faas-cli/daemon_client.h"

namespace cli {

using Json = nlohmann::ordered_json;

// The JSON object of a good answer. Throws Failure(refused) with the daemon's message if the answer
// is an error, Failure(no_daemon) if it is not what faasd would say.
Json require_object(const Answer& answer, const Endpoint& endpoint);
// The same for an answer whose body does not matter.
void require_ok(const Answer& answer);
// "no function is called 'x'": the daemon's "error", or the status if the body has none.
std::string error_message(const Answer& answer);
// " (line 3, column 9)", of a failure that says where in a script it is; else empty.
std::string place_in(const Json& failure);

// The text of a field of any type; "-" if it is not there.
std::string text_of(const Json& object, const std::string& key);
// The array of a field; an empty one if it is not there, or is none.
Json list_of(const Json& object, const std::string& key);

// For stdout: pure ASCII, so no character of an image reaches a terminal raw.
std::string to_text(const Json& json);

}  // namespace cli
