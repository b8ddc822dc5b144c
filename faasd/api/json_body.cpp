#include "faasd/api/json_body.h"

#include <algorithm>
#include <charconv>

#include "faasd/api/http_framing.h"
#include "faasd/script/runner.h"

namespace api {
namespace {

using Clock = std::chrono::steady_clock;

// What the head says of it, up to a bound; memory that is not written to costs nothing.
std::size_t announced(const httplib::Request& asked, std::size_t most) {
  const std::string length = asked.get_header_value("Content-Length");
  std::size_t bytes = 0;
  std::from_chars(length.data(), length.data() + length.size(), bytes);
  return std::min(bytes, most);
}

}  // namespace

JsonBody::JsonBody(const httplib::Request& asked, const httplib::ContentReader& body,
                   const Bounds& bounds, script::Share room)
    : room_(std::move(room)) {
  // curl -d says that it is a form; go-faas and Express take anything that reads as JSON.
  if (asked.get_header_value("Content-Type").starts_with("multipart/")) {
    throw HttpError(415, "unsupported_media_type", "the body is a form; send JSON");
  }
  text_.reserve(announced(asked, bounds.bytes));
  const Clock::time_point deadline = Clock::now() + bounds.patience;
  const bool whole = body([&](const char* bytes, std::size_t size) {
    if (text_.size() + size > bounds.bytes) {
      throw HttpError(
          413, "too_large",
          "the body of the request has more than " + std::to_string(bounds.bytes) + " bytes");
    }
    const auto earned =
        std::chrono::seconds((text_.size() + size) / script::bounds::kRequestBytesPerSecond);
    if (Clock::now() > deadline + earned) {
      throw HttpError(408, "body_timeout", "the body of the request comes too slowly");
    }
    if (!room_.take(size)) script::Runner::refuse_for_room();
    text_.append(bytes, size);
    return true;
  });
  if (!whole) throw HttpError(400, "body_cut_off", "the body of the request is cut off");
  members_ = script::JsonMembers::of(text_);
  if (members_) return;
  throw HttpError(400, "bad_json",
                  "the body must be a JSON object, with each member once, " +
                      std::to_string(script::bounds::kMaxJsonMembers) +
                      " of them at most, and no deep nesting");
}

std::string JsonBody::text(const char* key, bool needed) const {
  if (!members_->has(key) && !needed) return {};
  std::optional<std::string> text = members_->text(key);
  if (text) return std::move(*text);
  throw HttpError(400, "bad_request",
                  std::string("the member '") + key + "' must be there, and a string");
}

bool JsonBody::flag(const char* key) const {
  if (!members_->has(key) || members_->raw(key) == "null") return false;
  const std::optional<bool> flag = members_->flag(key);
  if (flag) return *flag;
  throw HttpError(400, "bad_request", std::string("the member '") + key + "' is true or false");
}

}  // namespace api
