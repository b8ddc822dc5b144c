/* A handler that answers with what it sees from inside its container, and what it may do there, as
 * one JSON object: `probe [TARGET…]`. Its members: see probe_calls.h, probe_places.h; "threads" are
 * the security lines of the status of each of its threads, "report" that of misbehave_report.h. For
 * the tests of the posture; it breaks nothing if the container is no jail. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "freezing.h"
#include "json_text.h"
#include "misbehave_http.h"
#include "misbehave_report.h"
#include "probe_calls.h"
#include "probe_places.h"

enum { exit_no_connection = 111, more_threads = 2 };

static pthread_barrier_t all_run;

static void* stand_there(void* unused) {
  pthread_barrier_wait(&all_run); /* every thread runs */
  pthread_barrier_wait(&all_run); /* all have been looked at */
  return unused;
}

/* {"CapEff":"0000000000000000",…,"Seccomp":"2"} of one thread. */
static void write_thread(FILE* out, const char* id) {
  static const char* const names[] = {
      "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:"};
  char path[sizeof "/proc/self/task//status" + NAME_MAX];
  snprintf(path, sizeof path, "/proc/self/task/%s/status", id);
  FILE* file = fopen(path, "re");
  char line[512];
  int first = 1;
  putc('{', out);
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
      const size_t length = strlen(names[i]);
      if (strncmp(line, names[i], length) == 0) {
        const char* value = line + length + strspn(line + length, "\t ");
        fprintf(out, "%s\"%.*s\":\"%s\"", first ? "" : ",", (int)length - 1, names[i], value);
        first = 0;
      }
    }
  }
  if (file != NULL) {
    fclose(file);
  }
  putc('}', out);
}

static void write_threads(FILE* out) {
  pthread_t threads[more_threads];
  pthread_barrier_init(&all_run, NULL, more_threads + 1);
  for (int i = 0; i < more_threads; ++i) {
    if (pthread_create(&threads[i], NULL, stand_there, NULL) != 0) {
      fputs("probe: no second thread\n", stderr);
      exit(EXIT_FAILURE);
    }
  }
  pthread_barrier_wait(&all_run);
  fputs("\"threads\":[", out);
  DIR* tasks = opendir("/proc/self/task");
  const struct dirent* entry;
  for (int first = 1; tasks != NULL && (entry = readdir(tasks)) != NULL;) {
    if (entry->d_name[0] != '.') {
      fputs(first ? "" : ",", out);
      first = 0;
      write_thread(out, entry->d_name);
    }
  }
  if (tasks != NULL) {
    closedir(tasks);
  }
  fputs("],", out);
  pthread_barrier_wait(&all_run);
  for (int i = 0; i < more_threads; ++i) {
    pthread_join(threads[i], NULL);
  }
}

int main(int argc, char** argv) {
  const char* failed;
  const int connection = receive_socket_or_freeze(&failed);
  if (connection < 0) {
    fprintf(stderr, "probe: %s: %s\n", failed, strerror(errno));
    return exit_no_connection;
  }
  struct request request;
  read_head(connection, &request);
  char* text = NULL;
  size_t length = 0;
  FILE* out = open_memstream(&text, &length);
  putc('{', out);
  write_threads(out);
  write_files(out);
  write_devices(out);
  write_ways_out(out);
  write_targets(out, argv + 1);
  write_calls(out);
  write_key(out, "report");
  write_report(out, argc, argv);
  putc('}', out);
  fclose(out);
  reply(connection, "application/json", text, length);
  finish(connection);
  return 0;
}
