// SHA-256 as images use it: "sha256:" and 64 lower-case hex digits (OCI image-spec, descriptor.md).
// Values; throws std::runtime_error if libcrypto cannot. Any thread, one object per thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace image {

class Sha256 {
 public:
  Sha256();
  void update(std::string_view bytes);
  // The 64 hex digits of everything so far; nothing may be added afterwards.
  std::string finish_hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string sha256_hex(std::string_view bytes);

// Whether these are 64 lower-case hex digits, fit to be a directory's name.
bool is_sha256_hex(std::string_view text);

// The hex digits of "sha256:<hex>"; empty if `digest` is not of that form.
std::string_view hex_of_digest(std::string_view digest);

}  // namespace image
