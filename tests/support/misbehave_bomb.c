#define _GNU_SOURCE
#include "misbehave_bomb.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { max_processes = 4096 }; /* a missing limit is noticed there, and the machine still lives */

int fork_to_the_limit(const char** end) {
  atomic_int* const count =
      mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (count == MAP_FAILED) {
    *end = strerrorname_np(errno);
    return 0;
  }
  int error = 0;
  while (atomic_fetch_add(count, 1) < max_processes) {
    if (fork() < 0) { /* parent and child alike go on */
      error = errno;
      break;
    }
  }
  *end = error != 0 ? strerrorname_np(error) : "no limit";
  return atomic_fetch_sub(count, 1) - 1;
}
