/* A handler for branched functions: `branching [WORD [NUMBER [stay]]]`. It replies with what of one
 * request could be seen by the next; the word is what it does before its first connection that a
 * snapshot cannot have, or has to bear. `stay`: it does not end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "freezing.h"
#include "json_text.h"
#include "misbehave_http.h"

enum { exit_usage = 2, exit_no_connection = 111, mib = 1 << 20, shm_key = 4711 };

static int served;  /* by this memory */
static char* kept;  /* on the heap since before the snapshot */
static char* large; /* mapped before, so many MiB of it written to */
static size_t large_mib;
static char* wiped; /* by the kernel in every copy of the process */
static volatile sig_atomic_t signals;

static void count_signal(int number) {
  (void)number;
  ++signals;
}

static void* wait_for_ever(void* nothing) {
  for (;;) pause();
  return nothing;
}

static void exit_at_once(void) {
  _exit(3);
}

static void stall(void) {
  for (;;) pause();
}

static void end_by_fault(void) {
  volatile char* volatile nowhere = NULL;
  *nowhere = 1;
}

static void spend(void) {
  char* all = mmap(NULL, 1UL << 40, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  for (size_t at = 0;; at += 4096) all[at] = 1;
}

static void have(long number) {
  large_mib = (size_t)number;
  large = mmap(NULL, large_mib * mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(large, 'm', large_mib * mib);
}

/* What it does before its first connection. 0: there is no such word. */
static int prepare(const char* word, long number) {
  if (strcmp(word, "thread") == 0) {
    pthread_t thread;
    return pthread_create(&thread, NULL, wait_for_ever, NULL) == 0;
  }
  if (strcmp(word, "file") == 0) return open("/branching", O_RDONLY) >= 0;
  if (strcmp(word, "socket") == 0) return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
  if (strcmp(word, "shared") == 0) {
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) !=
           MAP_FAILED;
  }
  if (strcmp(word, "child") == 0) {
    if (fork() == 0) wait_for_ever(NULL);
    return 1;
  }
  if (strcmp(word, "memory") == 0) {
    have(number);
    return 1;
  }
  if (strcmp(word, "exit") == 0) after_snapshot = exit_at_once;
  if (strcmp(word, "fault") == 0) after_snapshot = end_by_fault;
  if (strcmp(word, "spend") == 0) after_snapshot = spend;
  if (strcmp(word, "stall") == 0) after_snapshot = stall;
  if (strcmp(word, "hang") == 0) wait_for_ever(NULL);
  return after_snapshot != NULL;
}

static int exists(const char* path) {
  struct stat status;
  return lstat(path, &status) == 0;
}

static int open_files(void) {
  int count = 0;
  for (int fd = 0; fd < 64; ++fd) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

static int is_whole(const char* bytes, size_t size, char with) {
  for (size_t i = 0; i < size; i += 512) {
    if (bytes[i] != with) return 0;
  }
  return 1;
}

/* An abstract name of the network that nobody else may have. */
static int takes_name(void) {
  const struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0branching"};
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return bind(fd, (const struct sockaddr*)&name, sizeof name) == 0;
}

static int deep(int levels) {
  volatile char frame[4096];
  memset((char*)frame, levels, sizeof frame);
  return levels == 0 ? frame[7] : deep(levels - 1) + frame[8] - frame[9];
}

static void number(FILE* out, const char* key, long value) {
  write_key(out, key);
  fprintf(out, "%ld,", value);
}

/* What is there of others, and then something of its own for others to find. */
static void write_findings(FILE* out) {
  fputc('{', out);
  number(out, "served", served++);
  number(out, "pid", getpid());
  number(out, "files", open_files());
  number(out, "tmp", exists("/tmp/left"));
  number(out, "dev_shm", exists("/dev/shm/left"));
  number(out, "shm", shmget(shm_key, 0, 0) >= 0);
  number(out, "name", takes_name());
  number(out, "children", waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD);
  number(out, "environment", getenv("LEFT") != NULL);
  number(out, "deep", deep(1000) == 0);
  number(out, "whole", large == NULL || is_whole(large, large_mib * mib, 'm'));
  number(out, "wiped", wiped[0] == '\0');
  memcpy(wiped, "again", sizeof "again");
  raise(SIGUSR1);
  number(out, "signals", signals);
  char itself[64] = "";
  if (readlink("/proc/self/exe", itself, sizeof itself - 1) < 0) itself[0] = '\0';
  write_key(out, "exe");
  write_string(out, itself);
  fputc(',', out);
  write_key(out, "kept");
  write_string(out, kept);
  fprintf(out, "}\n");

  close(open("/tmp/left", O_CREAT | O_WRONLY, 0600));
  close(open("/dev/shm/left", O_CREAT | O_WRONLY, 0600));
  shmget(shm_key, 4096, IPC_CREAT | 0600);
  setenv("LEFT", "behind", 1);
  memset(kept, 'x', strlen(kept));
}

int main(int argc, char** argv) {
  if (argc > 1 && !prepare(argv[1], argc > 2 ? strtol(argv[2], NULL, 10) : 1)) return exit_usage;
  kept = strdup("from before");
  wiped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (wiped == MAP_FAILED || madvise(wiped, 4096, MADV_WIPEONFORK) != 0) return exit_usage;
  memcpy(wiped, "secret", sizeof "secret");
  signal(SIGUSR1, count_signal);
  const char* failed;
  const int connection = receive_socket_or_freeze(&failed);
  if (connection < 0) {
    fprintf(stderr, "branching: %s: %s\n", failed, strerror(errno));
    return exit_no_connection;
  }
  struct request request;
  read_head(connection, &request);
  char* text = NULL;
  size_t length = 0;
  FILE* out = open_memstream(&text, &length);
  write_findings(out);
  fclose(out);
  reply(connection, "application/json", text, length);
  finish(connection);
  if (argc > 3 && strcmp(argv[3], "stay") == 0) wait_for_ever(NULL);
  if (large != NULL) memset(large, 'x', large_mib * mib);
  return 0;
}
