// The two kinds of failure. A kernel call that failed is a std::system_error that names the call
// and its object. `Refused` is a request that is understood and not done, for a reason the caller
// can read and mend; its code is stable and goes to HTTP clients as it is.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace sys {

// Throws std::system_error for errno, with "what object" as its text. `what` reads like
// "open /etc/passwd".
[[noreturn]] void throw_errno(const std::string& what);
[[noreturn]] void throw_errno(int error_number, const std::string& what);

enum class Refusal {
  invalid,      // 400: the request is wrong, and will be wrong again
  forbidden,    // 403
  not_found,    // 404
  conflict,     // 409: something of that kind is already there
  too_large,    // 413: over a bound of limits
  exhausted,    // 507: no address, no space left
  unavailable,  // 503: not now; try again
  failed,       // 500: the machine let us down (a full disk, a missing program)
};

class Refused : public std::runtime_error {
 public:
  // `code` is snake_case and stable; `message` names the thing and says what to do.
  Refused(Refusal reason, std::string code, const std::string& message)
      : std::runtime_error(message), reason_(reason), code_(std::move(code)) {}

  Refusal reason() const noexcept { return reason_; }
  const std::string& code() const noexcept { return code_; }

 private:
  Refusal reason_;
  std::string code_;
};

}  // namespace sys
