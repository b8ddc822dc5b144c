/* SHA-256 (FIPS 180-4) of a stream, for test programs that link nothing but libc. */
#ifndef TESTS_SUPPORT_SHA256_H
#define TESTS_SUPPORT_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
  uint32_t state[8];
  uint64_t length;
  unsigned char block[64];
};

void sha256_start(struct sha256* hash);
void sha256_add(struct sha256* hash, const void* bytes, size_t length);
/* 64 hex digits and a NUL. */
void sha256_finish(struct sha256* hash, char hex[65]);

#endif
