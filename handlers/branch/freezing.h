/* What the parts of freeze.c share: a snapshot on its way, and how /proc is read without a C
 * library. proc(5). */
#ifndef HANDLERS_BRANCH_FREEZING_H
#define HANDLERS_BRANCH_FREEZING_H

#include "handlers/branch/kernel.h"
#include "handlers/branch/snapshot.h"

#define PAGE 4096UL
#define LINE 4608   /* of /proc/self/smaps: a path of 4096, and what is before it */
#define ENTRIES 512 /* of /proc/self/pagemap at once */

struct reader {
  int fd;
  size_t at;
  size_t end;
  char bytes[8192];
};

struct work {
  struct snapshot snapshot;
  struct reader reader;
  char line[LINE];   /* of a mapping */
  char more[LINE];   /* what follows it */
  uint64_t last_end; /* of the mapping before */
  uint64_t entries[ENTRIES];
  uint64_t root_device;
  uint64_t next_offset; /* where the snapshot has room */
  int file;
};

/* Why it cannot be made; both return -1. */
int refuse(struct work* work, const char* why, const char* what);
int refuse_number(struct work* work, const char* before, long number, const char* behind);

int open_proc(const char* path, int flags);
/* 0 at the end. */
int read_line(struct reader* reader, char* line);
uint64_t number_of(const char** text, unsigned base);
int begins_with(const char* text, const char* with);
uint64_t device_of(uint64_t major, uint64_t minor);

/* These return 0, or -1 and why. What the process has that no snapshot can have; */
int check_process(struct work* work);
/* what it has besides its memory; */
int note_process(struct work* work);
/* its memory. */
int write_memory(struct work* work);

#endif
