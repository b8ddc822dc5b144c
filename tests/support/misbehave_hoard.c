#define _GNU_SOURCE
#include "misbehave_hoard.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  mib = 1 << 20,
  too_much_mib = 4096,   /* far beyond the limits of a function */
  max_generations = 8,   /* of what "forking" forks */
  files_of_a_turn = 512, /* of "filling" */
};

bool touch_memory(long count) {
  for (long i = 0; i < count; ++i) {
    char* bytes = mmap(NULL, mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
      return false;
    }
    memset(bytes, 1, mib);
  }
  return true;
}

const char* fill_tmp(long count) {
  static char block[65536];
  memset(block, 1, sizeof block);
  const int file = open("/tmp/fill", O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  const char* end = "ok";
  for (long i = 0; i < count * (mib / (long)sizeof block); ++i) {
    if (write(file, block, sizeof block) < 0) {
      end = strerrorname_np(errno);
      break;
    }
  }
  close(file);
  return end;
}

static bool make_file(long number) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/hoard%ld", number);
  const int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  return fd >= 0 && close(fd) == 0;
}

static bool make_descriptor(long number) {
  (void)number;
  return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0) >= 0;
}

/* Full, both of them. */
static bool make_pipe(long number) {
  (void)number;
  static const char block[65536];
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return false;
  }
  while (write(ends[1], block, sizeof block) > 0) {
  }
  return true;
}

static bool make_sockets(long number) {
  (void)number;
  static const char block[65536];
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return false;
  }
  while (send(ends[1], block, sizeof block, MSG_NOSIGNAL) > 0) {
  }
  return true;
}

/* A connection of the container with itself, with all the buffers that it can get, full. */
static bool make_connection(long number) {
  (void)number;
  static const char block[65536];
  const struct timeval patience = {.tv_usec = 200 * 1000};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || one < 0 || bind(listener, (struct sockaddr*)&address, size) != 0 ||
      listen(listener, 1) != 0 || getsockname(listener, (struct sockaddr*)&address, &size) != 0 ||
      connect(one, (struct sockaddr*)&address, size) != 0 || accept(listener, NULL, NULL) < 0) {
    return false;
  }
  setsockopt(one, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  while (send(one, block, sizeof block, MSG_NOSIGNAL) > 0) {
  }
  return true;
}

static bool make_timer(long number) {
  (void)number;
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  return timer_create(CLOCK_MONOTONIC, &event, &timer) == 0;
}

/* Blocked, so that it stays pending; signals of real time queue up. */
static bool make_signal(long number) {
  if (number == 0) {
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
  }
  return sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 0}) == 0;
}

static bool make_queue(long number) {
  char name[64];
  snprintf(name, sizeof name, "/hoard%ld", number);
  return mq_open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600, NULL) >= 0;
}

static bool make_terminal(long number) {
  (void)number;
  return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC) >= 0;
}

static bool make_segment(long number) {
  (void)number;
  return shmget(IPC_PRIVATE, 1, IPC_CREAT | 0600) >= 0;
}

/* Every other byte, so that no two become one; of many files, because a file's are a list. */
static bool make_lock(long number) {
  enum { locks_of_a_file = 2048 };
  static int file = -1;
  if (number % locks_of_a_file == 0) {
    file = memfd_create("hoard", MFD_CLOEXEC);
  }
  struct flock lock = {
      .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = number % locks_of_a_file * 2, .l_len = 1};
  return file >= 0 && fcntl(file, F_SETLK, &lock) == 0;
}

static const struct {
  const char* kind;
  bool (*make)(long number);
} hoards[] = {
    {"files", make_file},      {"descriptors", make_descriptor}, {"pipes", make_pipe},
    {"sockets", make_sockets}, {"timers", make_timer},           {"signals", make_signal},
    {"queues", make_queue},    {"terminals", make_terminal},     {"segments", make_segment},
    {"locks", make_lock},      {"connections", make_connection},
};

bool hoard(const char* kind, long most, char* text, size_t size) {
  for (size_t i = 0; i < sizeof hoards / sizeof *hoards; ++i) {
    if (strcmp(hoards[i].kind, kind) != 0) {
      continue;
    }
    long number = 0;
    while (number < most && hoards[i].make(number)) {
      ++number;
    }
    snprintf(text, size, "%ld %s, then %s\n", number, kind,
             number < most ? strerrorname_np(errno) : "no limit");
    return true;
  }
  return false;
}

static void keep_forking(void) {
  for (int generation = 0;;) {
    const pid_t child = fork();
    if (child == 0 && ++generation > max_generations) {
      _exit(0);
    }
    if (child < 0) { /* at the limit, where those that have ended still count */
      while (waitpid(-1, NULL, WNOHANG) > 0) {
      }
    }
  }
}

static void keep_allocating(void) {
  for (;;) {
    const pid_t child = fork();
    if (child == 0) {
      touch_memory(too_much_mib);
      _exit(0);
    }
    waitpid(child, NULL, 0);
  }
}

static void keep_filling(void) {
  for (;;) {
    fill_tmp(too_much_mib);
    unlink("/tmp/fill");
    long files = 0;
    while (files < files_of_a_turn && make_file(files)) {
      ++files;
    }
    while (files-- > 0) {
      char path[64];
      snprintf(path, sizeof path, "/tmp/hoard%ld", files);
      unlink(path);
    }
  }
}

void keep(const char* doing) {
  if (strcmp(doing, "forking") == 0) {
    keep_forking();
  } else if (strcmp(doing, "allocating") == 0) {
    keep_allocating();
  } else if (strcmp(doing, "filling") == 0) {
    keep_filling();
  }
}
