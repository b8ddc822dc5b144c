#define _GNU_SOURCE
#include "misbehave_connects.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { most = 64 };

static int compare(const void* one, const void* other) {
  const long left = *(const long*)one;
  const long right = *(const long*)other;
  return (left > right) - (left < right);
}

/* In nanoseconds; -1 if it failed. */
static long time_connect(const struct sockaddr_un* address) {
  const int client = socket(AF_UNIX, SOCK_STREAM, 0);
  struct timespec before;
  struct timespec after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  const int result = connect(client, (const struct sockaddr*)address, sizeof *address);
  clock_gettime(CLOCK_MONOTONIC, &after);
  close(client);
  if (result != 0) {
    return -1;
  }
  return (after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec;
}

double median_connect_us(long number) {
  const int server = socket(AF_UNIX, SOCK_STREAM, 0);
  const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/server"};
  if (number < 1 || number > most ||
      bind(server, (const struct sockaddr*)&address, sizeof address) != 0 ||
      listen(server, most) != 0) {
    return -1;
  }
  long taken_ns[most];
  for (long i = 0; i < number; ++i) {
    taken_ns[i] = time_connect(&address);
    if (taken_ns[i] < 0) {
      return -1;
    }
  }
  qsort(taken_ns, (size_t)number, sizeof *taken_ns, compare);
  return (double)taken_ns[number / 2] / 1000;
}
