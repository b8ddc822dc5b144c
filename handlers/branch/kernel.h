/* The kernel's calls for code that has no C library: x86-64. Results are the kernel's own, -errno
 * on failure. Source: syscall(2), the psABI's appendix A.2.1. */
#ifndef HANDLERS_BRANCH_KERNEL_H
#define HANDLERS_BRANCH_KERNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

static inline long kernel(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

static inline long kernel1(long number, long a) {
  return kernel(number, a, 0, 0, 0, 0, 0);
}
static inline long kernel2(long number, long a, long b) {
  return kernel(number, a, b, 0, 0, 0, 0);
}
static inline long kernel3(long number, long a, long b, long c) {
  return kernel(number, a, b, c, 0, 0, 0);
}
static inline long kernel4(long number, long a, long b, long c, long d) {
  return kernel(number, a, b, c, d, 0, 0);
}

static inline size_t length_of(const char* text) {
  size_t length = 0;
  while (text[length] != '\0') ++length;
  return length;
}

#endif
