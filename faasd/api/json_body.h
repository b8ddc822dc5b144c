// The body of a request that is a JSON object: read whole, up to a bound, in a time, and with room
// that all of them share. Its members are as they were written. It is to be gone before anybody
// waits for what was asked for.
#pragma once

#include <httplib.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "faasd/script/bounds.h"
#include "faasd/script/budget.h"
#include "faasd/script/json_members.h"

namespace api {

class JsonBody {
 public:
  // A client has `patience`, and a second for each script::bounds::kRequestBytesPerSecond that
  // came.
  struct Bounds {
    std::size_t bytes = 0;
    std::chrono::milliseconds patience = script::bounds::kRequestPatience;
  };
  // Throws HttpError: 413, 400 for what is no object, 408 for what comes too slowly, 415 for a
  // Content-Type that is not JSON; and what Runner::refuse_for_room throws.
  JsonBody(const httplib::Request& asked, const httplib::ContentReader& body, const Bounds& bounds,
           script::Share room);
  JsonBody(const JsonBody&) = delete;
  JsonBody& operator=(const JsonBody&) = delete;

  const script::JsonMembers& members() const noexcept { return *members_; }
  const script::JsonMembers* operator->() const noexcept { return &*members_; }

  // A member that must be a string; empty if it is missing and need not be there. Throws HttpError.
  std::string text(const char* key, bool needed) const;
  // False if it is missing.
  bool flag(const char* key) const;

 private:
  script::Share room_;
  std::string text_;  // what the members are views of
  std::optional<script::JsonMembers> members_;
};

}  // namespace api
