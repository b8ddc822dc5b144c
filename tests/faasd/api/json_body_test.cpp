// What a body may cost and how long it may take, before anybody looks at what it says.
#include "faasd/api/json_body.h"

#include <doctest/doctest.h>

#include <vector>

#include "faasd/api/http_framing.h"
#include "oci/sys/error.h"

using api::JsonBody;

namespace {

// A body that comes piece by piece.
httplib::ContentReader reader(const std::vector<std::string>& pieces) {
  return {[=](const httplib::ContentReceiver& receive) {
            for (const std::string& piece : pieces) {
              if (!receive(piece.data(), piece.size())) return false;
            }
            return true;
          },
          {}};
}

std::string code_of(const httplib::ContentReader& body, const JsonBody::Bounds& bounds,
                    const std::shared_ptr<script::Budget>& room) {
  try {
    const JsonBody read(httplib::Request(), body, bounds, script::Share(room));
  } catch (const api::HttpError& error) {
    return error.code();
  } catch (const sys::Refused& refused) {
    CHECK(refused.reason() == sys::Refusal::unavailable);
    return refused.code();
  }
  return "";
}

}  // namespace

TEST_CASE("bodies share the room that there is, and give it back") {
  const auto room = std::make_shared<script::Budget>(100);
  const std::string text = "{\"a\":\"" + std::string(60, 'x') + "\"}";
  {
    const JsonBody body(httplib::Request(), reader({text}), {.bytes = 100}, script::Share(room));
    CHECK(body.text("a", true) == std::string(60, 'x'));
    CHECK(code_of(reader({text}), {.bytes = 100}, room) == "no_room");
    CHECK(code_of(reader({"{}"}), {.bytes = 100}, room).empty());
  }
  CHECK(code_of(reader({text}), {.bytes = 100}, room).empty());
  CHECK(code_of(reader({text}), {.bytes = 67}, room) == "too_large");
  CHECK(code_of(reader({text, text}), {.bytes = 1'000}, room) == "no_room");
  CHECK(code_of(reader({"[]"}), {.bytes = 100}, room) == "bad_json");
  CHECK(room->take(100));  // whatever became of them
}

TEST_CASE("a body has a time as a whole, and more if it is large") {
  const auto room = std::make_shared<script::Budget>(16U << 20);
  const JsonBody::Bounds over{.bytes = 16U << 20, .patience = std::chrono::milliseconds(-1)};
  CHECK(code_of(reader({"{}"}), over, room) == "body_timeout");
  const std::string large(script::bounds::kRequestBytesPerSecond * 10, ' ');
  CHECK(code_of(reader({"{" + large, "}"}), over, room).empty());
  CHECK(room->take(16U << 20));
}
