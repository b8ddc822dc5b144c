/* A handler that tries to make the connection that it is given into another one, and to use sockets
 * of its own in every ordinary way: `socket_thief PORT [MODE]`, PORT a TCP service of
 * the host. Answers one JSON object of words, "ok" or the name of an error; after a reset there is
 * nobody to answer, and it goes to stderr. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "freezing.h"
#include "json_text.h"
#include "misbehave_http.h"

enum { exit_no_connection = 111, swaps = 2000, stalls = 100, stall_s = 3, rainy_connects = 300 };
enum { most_waiting = 16, turned_away = 8 }; /* kMaxWaiting of trapped_calls.cpp; and some more */

static const char* word(int returned) {
  return returned < 0 ? strerrorname_np(errno) : "ok";
}

static void tell(FILE* out, const char* key, const char* result) {
  write_key(out, key);
  write_string(out, result);
  putc(',', out);
}

static struct sockaddr_in loopback(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static int connect_to(int fd, struct sockaddr_in address) {
  return connect(fd, (const struct sockaddr*)&address, sizeof address);
}

/* "@name" is an abstract one. */
static socklen_t unix_address(struct sockaddr_un* address, const char* path) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  strncpy(address->sun_path, path, sizeof address->sun_path - 1);
  if (path[0] == '@') {
    address->sun_path[0] = '\0';
  }
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

static void use_given(FILE* out, int given, int port) {
  const struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
  const struct sockaddr_in any = loopback(0);
  const struct sockaddr_in service = loopback(port);
  struct iovec none = {NULL, 0};
  struct msghdr message = {.msg_name = (void*)&service,
                           .msg_namelen = sizeof service,
                           .msg_iov = &none,
                           .msg_iovlen = 1};
  tell(out, "disconnect", word(connect(given, &unspecified, sizeof unspecified)));
  tell(out, "connect", word(connect_to(given, service)));
  tell(out, "connect, too long an address", word(connect(given, (const void*)&service, 4096)));
  tell(out, "connect, no address", word(connect(given, NULL, sizeof service)));
  tell(out, "bind", word(bind(given, (const struct sockaddr*)&any, sizeof any)));
  tell(out, "listen", word(listen(given, 1)));
  tell(out, "sendto, fast open",
       word((int)sendto(given, "", 0, MSG_FASTOPEN | MSG_NOSIGNAL, (const struct sockaddr*)&service,
                        sizeof service)));
  tell(out, "sendmsg, fast open", word((int)sendmsg(given, &message, MSG_FASTOPEN)));
}

/* A server of its own at an address, and a client of it that connects as `flags` say. */
static const char* own_server(int domain, int type, int flags, const struct sockaddr* address,
                              socklen_t length) {
  struct sockaddr_storage bound;
  socklen_t size = sizeof bound;
  const int server = socket(domain, type | SOCK_CLOEXEC, 0);
  const int client = socket(domain, type | flags | SOCK_CLOEXEC, 0);
  const char* result = "ok";
  if (bind(server, address, length) != 0 ||
      getsockname(server, (struct sockaddr*)&bound, &size) != 0 ||
      (type == SOCK_STREAM && listen(server, 1) != 0)) {
    result = word(-1);
  } else if (connect(client, (const struct sockaddr*)&bound, size) != 0) {
    struct pollfd ready = {client, POLLOUT, 0};
    int error = errno;
    socklen_t error_size = sizeof error;
    if (error == EINPROGRESS && poll(&ready, 1, -1) == 1) {
      getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &error_size);
    }
    errno = error;
    result = error == 0 ? "ok" : word(-1);
  }
  if (strcmp(result, "ok") == 0 && type == SOCK_STREAM) {
    struct ucred peer;
    socklen_t peer_size = sizeof peer;
    const int accepted = accept(server, NULL, NULL);
    if (write(client, "x", 1) != 1 || read(accepted, &(char){0}, 1) != 1) {
      result = "no byte came";
    } else if (domain == AF_UNIX &&
               (getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) != 0 ||
                peer.uid != getuid() || peer.gid != getgid())) {
      result = "another user came";
    }
    close(accepted);
  }
  close(client);
  close(server);
  return result;
}

static void ignore_alarm(int number) {
  (void)number;
}

/* How long it takes, in microseconds, to have one call made. */
static long duration_of_connect(const struct sockaddr* address, socklen_t length) {
  struct timespec begin, end;
  const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  clock_gettime(CLOCK_MONOTONIC, &begin);
  connect(client, address, length);
  clock_gettime(CLOCK_MONOTONIC, &end);
  close(client);
  return (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;
}

/* Signals that come all the time call it away from a call that is being made for it. They come as
   often as a call takes: were they quicker than whoever makes it, it would never be done. */
static void connect_under_signals(FILE* out) {
  struct sockaddr_un path;
  const socklen_t length = unix_address(&path, "@rain");
  const struct sockaddr* const address = (const struct sockaddr*)&path;
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bind(server, address, length);
  listen(server, 1);
  const long duration_us = duration_of_connect(address, length);
  close(accept(server, NULL, NULL));
  const struct timeval interval = {.tv_sec = duration_us / 1000000,
                                   .tv_usec = duration_us % 1000000 + 100};
  const struct sigaction rain = {.sa_handler = ignore_alarm, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &rain, NULL);
  const struct itimerval often = {interval, interval};
  setitimer(ITIMER_REAL, &often, NULL);
  const char* result = "ok";
  for (int i = 0; i < rainy_connects && strcmp(result, "ok") == 0; ++i) {
    const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    result = word(connect(client, address, length));
    if (strcmp(result, "ok") == 0) {
      close(accept(server, NULL, NULL));
    }
    close(client);
  }
  setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
  tell(out, "unix, under signals", result);
  close(server);
}

static void use_own(FILE* out) {
  struct sockaddr_un path;
  socklen_t length;
  const struct sockaddr_in any = loopback(0);
  const struct sockaddr* const tcp = (const struct sockaddr*)&any;
  tell(out, "tcp", own_server(AF_INET, SOCK_STREAM, 0, tcp, sizeof any));
  tell(out, "tcp, not blocking", own_server(AF_INET, SOCK_STREAM, SOCK_NONBLOCK, tcp, sizeof any));
  tell(out, "udp", own_server(AF_INET, SOCK_DGRAM, 0, tcp, sizeof any));
  length = unix_address(&path, "/tmp/own.sock");
  tell(out, "unix", own_server(AF_UNIX, SOCK_STREAM, 0, (const struct sockaddr*)&path, length));
  length = unix_address(&path, "own-relative.sock");
  tell(out, "unix, relative",
       chdir("/tmp") != 0
           ? word(-1)
           : own_server(AF_UNIX, SOCK_STREAM, 0, (const struct sockaddr*)&path, length));
  length = unix_address(&path, "@own");
  tell(out, "unix, abstract",
       own_server(AF_UNIX, SOCK_STREAM, 0, (const struct sockaddr*)&path, length));
  length = unix_address(&path, "/tmp/own.datagrams");
  tell(out, "unix datagrams",
       own_server(AF_UNIX, SOCK_DGRAM, 0, (const struct sockaddr*)&path, length));
  length = unix_address(&path, "/own.sock");
  tell(out, "unix, read-only root",
       own_server(AF_UNIX, SOCK_STREAM, 0, (const struct sockaddr*)&path, length));
  length = unix_address(&path, "/nowhere");
  const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  connect_under_signals(out);
  tell(out, "nobody there", word(connect(client, (const struct sockaddr*)&path, length)));
  tell(out, "no descriptor", word(connect(-1, (const struct sockaddr*)&path, length)));
  tell(out, "no socket", word(connect(STDIN_FILENO, (const struct sockaddr*)&path, length)));
  close(client);
}

struct swap {
  int given;
  int own;
  int target;
  atomic_bool over;
};

static void* swap_descriptors(void* argument) {
  struct swap* swap = argument;
  while (!atomic_load(&swap->over)) {
    dup2(swap->own, swap->target);
    dup2(swap->given, swap->target);
  }
  return NULL;
}

/* While a call is pending, another thread puts another socket behind its descriptor. */
static void swap_while_pending(FILE* out, int given, int port) {
  struct swap swap = {.given = given, .own = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  swap.target = dup(given);
  pthread_t thread;
  pthread_create(&thread, NULL, swap_descriptors, &swap);
  int connected = 0;
  for (int i = 0; i < swaps; ++i) {
    connected += connect_to(swap.target, loopback(port)) == 0;
  }
  atomic_store(&swap.over, 1);
  pthread_join(thread, NULL);
  tell(out, "swaps", connected == 0 ? "none connected" : "connected");
}

static void* toggle_blocking(void* argument) {
  struct swap* swap = argument;
  while (!atomic_load(&swap->over)) {
    fcntl(swap->own, F_SETFL, 0);
  }
  return NULL;
}

/* A server whose queue is full: who connects waits for ever, if he waits. */
static socklen_t serve_nobody(struct sockaddr_un* path) {
  const socklen_t length = unix_address(path, "@full");
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bind(server, (const struct sockaddr*)path, length);
  listen(server, 0);
  connect(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (const struct sockaddr*)path, length);
  return length;
}

/* More clients that wait than may. Those who may not are told so; the others never come back. */
static void crowd(FILE* out) {
  struct sockaddr_un path;
  const socklen_t length = serve_nobody(&path);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return;
  }
  for (int i = 0; i < most_waiting + turned_away; ++i) {
    if (fork() == 0) {
      const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const int error = connect(client, (const struct sockaddr*)&path, length) < 0 ? errno : 0;
      _exit(write(ends[1], &error, sizeof error) < 0);
    }
  }
  for (int i = 0; i < turned_away; ++i) {
    int error = 0;
    if (read(ends[0], &error, sizeof error) == sizeof error) {
      tell(out, "turned away", strerrorname_np(error));
    }
  }
}

/* A client that another thread makes block, again and again. */
static void stall_whoever_connects(FILE* out) {
  struct sockaddr_un path;
  const socklen_t length = serve_nobody(&path);
  const struct sockaddr* const address = (const struct sockaddr*)&path;
  struct swap swap = {.own = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  pthread_t thread;
  pthread_create(&thread, NULL, toggle_blocking, &swap);
  /* One that was seen to block waits in its own time, and is not what is looked for here. */
  const struct sigaction awake = {.sa_handler = ignore_alarm};
  sigaction(SIGALRM, &awake, NULL);
  alarm(stall_s);
  const char* result = "EAGAIN";
  for (int i = 0; i < stalls && strcmp(result, "EAGAIN") == 0; ++i) {
    fcntl(swap.own, F_SETFL, O_NONBLOCK);
    result = word(connect(swap.own, address, length));
  }
  atomic_store(&swap.over, 1);
  pthread_join(thread, NULL);
  tell(out, "stalled", result);
}

int main(int argc, char** argv) {
  const int port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
  const char* const mode = argc > 2 ? argv[2] : "";
  const char* failed;
  const int given = receive_socket_or_freeze(&failed);
  if (given < 0) {
    fprintf(stderr, "socket_thief: %s: %s\n", failed, strerror(errno));
    return exit_no_connection;
  }
  char* text = NULL;
  size_t length = 0;
  FILE* out = open_memstream(&text, &length);
  putc('{', out);
  if (strcmp(mode, "after-reset") == 0) {
    struct pollfd over = {given, 0, 0};
    poll(&over, 1, -1); /* POLLHUP: the client has reset the connection */
    use_given(out, given, port);
    fputs("\"over\":true}", out);
    fclose(out);
    fprintf(stderr, "%s\n", text);
    return 0;
  }
  struct request request;
  read_head(given, &request);
  use_given(out, given, port);
  use_own(out);
  swap_while_pending(out, given, port);
  if (strcmp(mode, "stall") == 0) {
    stall_whoever_connects(out);
  }
  if (strcmp(mode, "crowd") == 0) {
    crowd(out);
  }
  fputs("\"over\":true}", out);
  fclose(out);
  reply(given, "application/json", text, length);
  finish(given);
  return 0;
}
