#include "oci/image/refusal.h"

#include <cerrno>
#include <new>
#include <system_error>

#include "oci/image/quota.h"

namespace image {
namespace {

sys::Refused too_much_memory() {
  return {sys::Refusal::too_large, "too_much_memory",
          "unpacking it takes more than " + std::to_string(kUnpackMemoryBytes >> 20) +
              " MiB of memory: compress its layers with a smaller window (gzip, zstd without "
              "--ultra, xz -6)"};
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::size_t kShown = 200;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : text.substr(0, kShown)) {
    if (c >= ' ' && c < 0x7f && c != '\\') {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += "\\x";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  if (text.size() > kShown) out += "…";
  return out;
}

void refuse(const std::string& code, const std::string& message) {
  throw sys::Refused(sys::Refusal::invalid, code, message);
}

void refuse_too_large(const std::string& what, std::uint64_t limit, const std::string& unit) {
  throw sys::Refused(
      sys::Refusal::too_large, "too_large",
      what + ": more than " + std::to_string(limit) + " " + unit + " are not accepted");
}

void refuse_memory() {
  throw too_much_memory();
}

void refuse_while_stopping() {
  throw sys::Refused(sys::Refusal::unavailable, "stopping",
                     "faasd is stopping; deploy again when it is back");
}

sys::Refused refusal_of(const std::exception& error) {
  if (const auto* refused = dynamic_cast<const sys::Refused*>(&error)) return *refused;
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return too_much_memory();
  }
  const auto* failed = dynamic_cast<const std::system_error*>(&error);
  if (failed != nullptr && (failed->code().value() == ENOSPC || failed->code().value() == EDQUOT)) {
    return {sys::Refusal::exhausted, "no_space",
            std::string("the state directory's disk is full: ") + error.what()};
  }
  return {sys::Refusal::failed, "import_failed", error.what()};
}

}  // namespace image
