#define _GNU_SOURCE
#include "handlers/branch/freezing.h"

#include <fcntl.h>

/* The compiler makes calls of these out of assignments. */
void* memset(void* to, int value, size_t size);
void* memcpy(void* restrict to, const void* restrict from, size_t size);
void* memset(void* to, int value, size_t size) {
  for (size_t i = 0; i < size; ++i) ((volatile char*)to)[i] = (char)value;
  return to;
}
void* memcpy(void* restrict to, const void* restrict from, size_t size) {
  for (size_t i = 0; i < size; ++i) ((volatile char*)to)[i] = ((const char*)from)[i];
  return to;
}

int begins_with(const char* text, const char* with) {
  while (*with != '\0') {
    if (*text++ != *with++) return 0;
  }
  return 1;
}

static size_t add(struct work* work, size_t at, const char* text) {
  while (*text != '\0' && at + 1 < SNAPSHOT_VERDICT) work->snapshot.verdict[at++] = *text++;
  work->snapshot.verdict[at] = '\0';
  return at;
}

static size_t add_number(struct work* work, size_t at, uint64_t number) {
  char digits[24];
  size_t first = sizeof digits - 1;
  digits[first] = '\0';
  do {
    digits[--first] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  return add(work, at, digits + first);
}

int refuse(struct work* work, const char* why, const char* what) {
  add(work, add(work, 0, why), what);
  return -1;
}

int refuse_number(struct work* work, const char* before, long number, const char* behind) {
  const size_t at = add(work, 0, before);
  add(work, add_number(work, at, (uint64_t)(number < 0 ? -number : number)), behind);
  return -1;
}

int open_proc(const char* path, int flags) {
  return (int)kernel4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC | flags, 0);
}

int read_line(struct reader* reader, char* line) {
  size_t length = 0;
  for (;;) {
    if (reader->at == reader->end) {
      const long got = kernel3(SYS_read, reader->fd, (long)reader->bytes, sizeof reader->bytes);
      if (got <= 0) return 0;
      reader->at = 0;
      reader->end = (size_t)got;
    }
    const char next = reader->bytes[reader->at++];
    if (next == '\n') break;
    if (length + 1 < LINE) line[length++] = next;
  }
  line[length] = '\0';
  return 1;
}

uint64_t number_of(const char** text, unsigned base) {
  uint64_t number = 0;
  for (;; ++*text) {
    const char digit = **text;
    unsigned value;
    if (digit >= '0' && digit <= '9') {
      value = (unsigned)(digit - '0');
    } else if (base == 16 && digit >= 'a' && digit <= 'f') {
      value = (unsigned)(digit - 'a') + 10;
    } else {
      return number;
    }
    number = number * base + value;
  }
}

uint64_t device_of(uint64_t major, uint64_t minor) {
  return major << 32 | minor;
}
