/* A handler that breaks the rules on demand: `misbehave BEHAVIOUR [NUMBER]`, or the same words in
 * the variable MISBEHAVE. `misbehave list` prints the behaviours. What is said to hang ends after
 * ten minutes, so that a failing test leaves nothing on the machine for long. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "freezing.h"
#include "handlers/receiver/receive_socket.h"
#include "misbehave_bomb.h"
#include "misbehave_connects.h"
#include "misbehave_hoard.h"
#include "misbehave_http.h"
#include "misbehave_report.h"
#include "misbehave_rewrite.h"
#include "sha256.h"

enum {
  exit_usage = 2,
  exit_no_connection = 111,
  hang_s = 600,
  fds_in_one_message = 253, /* SCM_MAX_FD of the kernel */
};

static int own_argc;
static char** own_argv;

static int hang(void) {
  unsigned left = hang_s;
  while (left > 0) {
    left = sleep(left);
  }
  return 0;
}

static void sleep_ms(long ms) {
  const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

static int take_connection(void) {
  const char* failed;
  const int connection = receive_socket_or_freeze(&failed);
  if (connection < 0) {
    fprintf(stderr, "misbehave: %s: %s\n", failed, strerror(errno));
    exit(exit_no_connection);
  }
  return connection;
}

static int answer(int connection, const char* text) {
  struct request request;
  read_head(connection, &request);
  reply(connection, "text/plain", text, strlen(text));
  finish(connection);
  return 0;
}

static int run_answer(long number) {
  (void)number;
  return answer(take_connection(), "answered\n");
}

static int run_exit_at_once(long number) {
  return (int)number;
}

static int run_exit_after_receive(long number) {
  take_connection();
  return (int)number;
}

static int run_never_connect(long number) {
  (void)number;
  return hang();
}

static int run_connect_never_receive(long number) {
  (void)number;
  connect_control();
  return hang();
}

static int run_connect_twice(long number) {
  (void)number;
  const int control = connect_control();
  const int second = connect_control();
  char text[64];
  snprintf(text, sizeof text, "second connect: %s\n", second < 0 ? strerrorname_np(errno) : "ok");
  const int connection = receive_connection(control);
  return connection < 0 ? exit_no_connection : answer(connection, text);
}

static int run_garbage(long number) {
  const int control = connect_control();
  char garbage[4096];
  memset(garbage, 0xa5, sizeof garbage);
  /* Not more than `number` blocks: a daemon that does not read must not be waited for. */
  for (long i = 0; i < number; ++i) {
    send(control, garbage, sizeof garbage, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  const int connection = receive_connection(control);
  for (long i = 0; i < number; ++i) {
    send(control, garbage, sizeof garbage, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  return connection < 0 ? exit_no_connection : answer(connection, "garbage sent\n");
}

/* The control socket too, over itself: if nobody closes them, nobody else can. */
static void send_many_fds(int control) {
  static int fds[fds_in_one_message];
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof fds)];
  } ancillary = {.bytes = {0}};
  for (size_t i = 0; i < fds_in_one_message; ++i) {
    fds[i] = i % 2 == 0 ? STDERR_FILENO : control;
  }
  char byte = 'x';
  struct iovec part = {.iov_base = &byte, .iov_len = 1};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = ancillary.bytes,
                           .msg_controllen = sizeof ancillary.bytes};
  ancillary.header.cmsg_level = SOL_SOCKET;
  ancillary.header.cmsg_type = SCM_RIGHTS;
  ancillary.header.cmsg_len = CMSG_LEN(sizeof fds);
  memcpy(CMSG_DATA(&ancillary.header), fds, sizeof fds);
  sendmsg(control, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int run_send_fds(long number) {
  const int control = connect_control();
  for (long i = 0; i < number; ++i) {
    send_many_fds(control);
  }
  const int connection = receive_connection(control);
  for (long i = 0; i < number; ++i) {
    send_many_fds(control);
  }
  return connection < 0 ? exit_no_connection : answer(connection, "descriptors sent\n");
}

static int run_never_exit(long number) {
  (void)number;
  take_connection();
  return hang();
}

/* Asks that whoever closes the connection last waits for a client that reads nothing. */
static int run_linger(long number) {
  const struct linger wait = {.l_onoff = 1, .l_linger = (int)number};
  const int connection = take_connection();
  char block[65536] = {0};
  setsockopt(connection, SOL_SOCKET, SO_LINGER, &wait, sizeof wait);
  while (send(connection, block, sizeof block, MSG_DONTWAIT) > 0) {
  }
  return hang();
}

static int run_answer_then_hang(long number) {
  (void)number;
  answer(take_connection(), "answered\n");
  return hang();
}

static int run_partial_then_hang(long number) {
  (void)number;
  send_all(take_connection(), "H", 1);
  return hang();
}

static int run_flood_stdout(long number) {
  const int connection = take_connection();
  char block[64 * 1024];
  memset(block, 'f', sizeof block);
  for (size_t i = 79; i < sizeof block; i += 80) {
    block[i] = '\n';
  }
  for (long i = 0; i < number * 16; ++i) {
    if (write(STDOUT_FILENO, block, sizeof block) < 0) {
      break;
    }
  }
  return answer(connection, "flooded\n");
}

static int run_stderr_lines(long number) {
  const int connection = take_connection();
  for (long i = 1; i <= number; ++i) {
    fprintf(stderr, "stderr line %ld\n", i);
  }
  return answer(connection, "written\n");
}

/* The child keeps the connection too: whoever lets it live keeps the client waiting. */
static int run_fork_and_linger(long number) {
  (void)number;
  const int connection = take_connection();
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    if (fork() == 0) {
      signal(SIGTERM, SIG_IGN);
      signal(SIGHUP, SIG_IGN);
      hang();
    }
    _exit(0);
  }
  waitpid(child, NULL, 0);
  return answer(connection, "a child lingers\n");
}

static int run_sleep_ms(long number) {
  const int connection = take_connection();
  sleep_ms(number);
  return answer(connection, "slept\n");
}

static int run_slow_reply(long number) {
  const int connection = take_connection();
  struct request request;
  read_head(connection, &request);
  static const char text[] =
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nslow\n";
  for (size_t i = 0; i < sizeof text - 1; ++i) {
    send_all(connection, text + i, 1);
    sleep_ms(number);
  }
  finish(connection);
  return 0;
}

static int run_report(long number) {
  (void)number;
  const int connection = take_connection();
  struct request request;
  read_head(connection, &request);
  char* text = NULL;
  size_t length = 0;
  FILE* out = open_memstream(&text, &length);
  write_report(out, own_argc, own_argv);
  fclose(out);
  reply(connection, "application/json", text, length);
  finish(connection);
  return 0;
}

static int run_hash_body(long number) {
  (void)number;
  const int connection = take_connection();
  struct request request;
  read_head(connection, &request);
  struct sha256 hash;
  sha256_start(&hash);
  sha256_add(&hash, request.bytes + request.body_at, request.length - request.body_at);
  long long got = (long long)(request.length - request.body_at);
  char block[64 * 1024];
  while (request.content_length < 0 || got < request.content_length) {
    const ssize_t part = recv(connection, block, sizeof block, 0);
    if (part <= 0) {
      break;
    }
    sha256_add(&hash, block, (size_t)part);
    got += part;
  }
  char hex[65];
  sha256_finish(&hash, hex);
  char text[128];
  const int length = snprintf(text, sizeof text, "%s %lld\n", hex, got);
  reply(connection, "text/plain", text, (size_t)length);
  finish(connection);
  return 0;
}

/* Sends back what comes, without HTTP, up to the client's end of stream. */
static int run_echo(long number) {
  (void)number;
  const int connection = take_connection();
  char block[64 * 1024];
  ssize_t part;
  while ((part = recv(connection, block, sizeof block, 0)) > 0) {
    send_all(connection, block, (size_t)part);
  }
  finish(connection);
  return 0;
}

/* The kernel drops signals that the first process of a pid namespace sends to itself; faults and
 * a spent CPU limit reach it all the same. */
static void provoke(int signal_number) {
  static volatile int zero;
  static volatile int one = 1; /* a constant would be divided without dividing */
  volatile char* page = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const struct rlimit one_second = {.rlim_cur = 1, .rlim_max = 1};
  switch (signal_number) {
    case SIGILL:
      __builtin_trap();
    case SIGFPE:
      zero = one / zero;
      break;
    case SIGSEGV:
      *page = 1;
      break;
    case SIGKILL:
      setrlimit(RLIMIT_CPU, &one_second);
      for (;;) {
        zero = 0;
      }
    default:
      break;
  }
}

static int run_killself(long number) {
  take_connection();
  raise((int)number);
  provoke((int)number);
  fprintf(stderr, "misbehave: signal %ld does not reach the first process\n", number);
  return 128 + (int)number;
}

static int run_fork_bomb(long number) {
  (void)number;
  if (getpid() != 1) {
    fputs("misbehave: fork-bomb runs only as the first process of a pid namespace\n", stderr);
    return exit_usage;
  }
  const int connection = take_connection();
  const char* end = NULL;
  const int count = fork_to_the_limit(&end);
  if (getpid() != 1) {
    _exit(hang());
  }
  char text[64];
  snprintf(text, sizeof text, "%d processes, then %s\n", count, end);
  return answer(connection, text);
}

static const char* allocate(long number) {
  return touch_memory(number) ? "allocated\n" : "refused by the kernel\n";
}

static int run_alloc(long number) {
  const int connection = take_connection();
  return answer(connection, allocate(number));
}

static int run_alloc_at_once(long number) {
  const char* end = allocate(number);
  return answer(take_connection(), end);
}

/* Memory again, but as files: tmpfs counts like any other. */
static int run_fill_tmp(long number) {
  const int connection = take_connection();
  char text[64];
  snprintf(text, sizeof text, "fill: %s\n", fill_tmp(number));
  return answer(connection, text);
}

static int run_spin(long number) {
  take_connection();
  while (--number > 0 && fork() > 0) {
  }
  const struct rlimit bound = {.rlim_cur = hang_s, .rlim_max = hang_s};
  setrlimit(RLIMIT_CPU, &bound);
  for (volatile unsigned turns = 0; true; ++turns) {
  }
  return 0;
}

/* Each of them is a call that the broker makes. */
static int run_time_connects(long number) {
  const int connection = take_connection();
  char text[64];
  snprintf(text, sizeof text, "%.1f\n", median_connect_us(number));
  return answer(connection, text);
}

/* What is piled up stays until the client has closed. */
static int run_hoard(long number) {
  char text[128];
  const int connection = take_connection();
  const long most = own_argc > 3 ? strtol(own_argv[3], NULL, 10) : number;
  if (own_argc < 3 || !hoard(own_argv[2], most, text, sizeof text)) {
    return exit_usage;
  }
  struct request request;
  read_head(connection, &request);
  reply(connection, "text/plain", text, strlen(text));
  shutdown(connection, SHUT_WR);
  while (recv(connection, request.bytes, sizeof request.bytes, 0) > 0) {
  }
  return 0;
}

static int run_keep(long number) {
  (void)number;
  take_connection();
  keep(own_argc < 3 ? "" : own_argv[2]);
  return exit_usage;
}

static int run_rewrite(long number) {
  rewrite_runtime((int)number);
  return 0;
}

struct behaviour {
  const char* name;
  int (*run)(long number);
  long number; /* if none is given */
  const char* meaning;
};

static const struct behaviour behaviours[] = {
    {"answer", run_answer, 0, "a good handler"},
    {"exit-at-once", run_exit_at_once, 0, "exits with code N before it connects"},
    {"exit-after-receive", run_exit_after_receive, 0, "exits with code N, sends no byte"},
    {"never-connect", run_never_connect, 0, "hangs before it connects"},
    {"connect-never-receive", run_connect_never_receive, 0, "connects, then hangs"},
    {"connect-twice", run_connect_twice, 0, "connects again, says how that went"},
    {"garbage", run_garbage, 4, "writes N blocks to /control.sock before and after"},
    {"send-fds", run_send_fds, 1, "sends 253 descriptors N times to faasd, before and after"},
    {"never-exit", run_never_exit, 0, "receives, sends no byte, hangs"},
    {"linger", run_linger, 600, "asks for a close that waits N seconds, fills the socket, hangs"},
    {"answer-then-hang", run_answer_then_hang, 0, "answers, closes, hangs"},
    {"partial-then-hang", run_partial_then_hang, 0, "sends one byte, hangs"},
    {"flood-stdout", run_flood_stdout, 64, "writes N MiB to stdout, answers"},
    {"stderr-lines", run_stderr_lines, 10, "writes N lines to stderr, answers"},
    {"fork-and-linger", run_fork_and_linger, 0, "leaves a daemon behind, answers"},
    {"sleep-ms", run_sleep_ms, 1000, "waits N milliseconds, answers"},
    {"slow-reply", run_slow_reply, 20, "one byte every N milliseconds"},
    {"report", run_report, 0, "JSON of all that it sees"},
    {"echo-env", run_report, 0, "the same"},
    {"hash-body", run_hash_body, 0, "SHA-256 and length of the request's body"},
    {"echo", run_echo, 0, "sends back every byte, no HTTP"},
    {"killself", run_killself, SIGSEGV, "receives, dies by signal N"},
    {"fork-bomb", run_fork_bomb, 0, "forks to the limit, says how far it came"},
    {"alloc", run_alloc, 1024, "touches N MiB, answers"},
    {"alloc-at-once", run_alloc_at_once, 1024, "the same before it connects"},
    {"fill-tmp", run_fill_tmp, 1024, "writes N MiB to /tmp, says how that went"},
    {"spin", run_spin, 1, "receives, burns CPU in N processes"},
    {"hoard", run_hoard, 1 << 20,
     "piles up the KIND of things that stands in the place of N, [MOST]"},
    {"time-connects", run_time_connects, 32,
     "connects N times to itself, says how many microseconds one took (the median)"},
    {"keep", run_keep, 0, "receives, does without end what stands there: forking and others"},
    {"rewrite", run_rewrite, 0, "tries to write to the runtime, by descriptor N too"},
};

static int list_behaviours(FILE* out) {
  for (size_t i = 0; i < sizeof behaviours / sizeof *behaviours; ++i) {
    fprintf(out, "%-22s %s\n", behaviours[i].name, behaviours[i].meaning);
  }
  return 0;
}

static int run_behaviour(const char* name, const char* number) {
  for (size_t i = 0; name != NULL && i < sizeof behaviours / sizeof *behaviours; ++i) {
    if (strcmp(name, behaviours[i].name) == 0) {
      char* end = NULL;
      const long given = number != NULL ? strtol(number, &end, 10) : 0;
      return behaviours[i].run(end != number ? given : behaviours[i].number);
    }
  }
  fputs("usage: misbehave BEHAVIOUR [NUMBER]\n", stderr);
  list_behaviours(stderr);
  return exit_usage;
}

int main(int argc, char** argv) {
  own_argc = argc;
  own_argv = argv;
  const char* chosen = getenv("MISBEHAVE");
  if (argc > 1) {
    return strcmp(argv[1], "list") == 0 ? list_behaviours(stdout)
                                        : run_behaviour(argv[1], argc > 2 ? argv[2] : NULL);
  }
  char words[128] = "";
  snprintf(words, sizeof words, "%s", chosen != NULL ? chosen : "answer");
  char* rest = NULL;
  const char* name = strtok_r(words, " ", &rest);
  return run_behaviour(name, strtok_r(NULL, " ", &rest));
}
