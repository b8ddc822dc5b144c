/* The smallest useful handler: takes the connection, reads one HTTP request, says hello and shows
 * that it runs in a container of its own. Static, no heap and no stdio, so that it starts quickly.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "../receiver/receive_socket.h"

enum {
  max_head_bytes = 16 * 1024, /* what usual servers accept */
  drain_ms = 1000, /* a client that still sends after that loses the tail of its upload */
  exit_no_connection = 111,
};

struct text {
  char bytes[1024];
  size_t length;
};

static void append(struct text* text, const char* more) {
  const size_t room = sizeof text->bytes - 1 - text->length;
  const size_t wanted = strlen(more);
  const size_t length = wanted < room ? wanted : room;
  memcpy(text->bytes + text->length, more, length);
  text->length += length;
  text->bytes[text->length] = '\0';
}

static void append_number(struct text* text, size_t number) {
  char digits[24];
  size_t at = sizeof digits - 1;
  digits[at] = '\0';
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  append(text, digits + at);
}

static int send_all(int connection, const char* bytes, size_t length) {
  while (length > 0) {
    const ssize_t sent = send(connection, bytes, length, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    if (sent < 0) {
      return -1;
    }
    bytes += sent;
    length -= (size_t)sent;
  }
  return 0;
}

/* Bytes read up to the end of the request head or of the stream; 0 if the client left,
 * max_head_bytes if the head does not end. A client that is merely slow is ended by the function's
 * timeout. */
static size_t read_head(int connection, char* head) {
  size_t length = 0;
  while (length < max_head_bytes) {
    const ssize_t got = recv(connection, head + length, max_head_bytes - length, 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return 0;
    }
    if (got == 0) {
      break;
    }
    /* The end may straddle two reads. */
    const size_t from = length > 3 ? length - 3 : 0;
    length += (size_t)got;
    if (memmem(head + from, length - from, "\r\n\r\n", 4) != NULL) {
      break;
    }
  }
  return length;
}

static long long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Closing a socket that holds unread bytes resets the connection, and the reply may be lost with
 * it; so the rest of the request is read and dropped first. RFC 9112, 9.6. */
static void finish(int connection) {
  shutdown(connection, SHUT_WR);
  const long long end = now_ms() + drain_ms;
  struct pollfd readable = {.fd = connection, .events = POLLIN};
  char dropped[16 * 1024];
  for (long long left = drain_ms; left > 0; left = end - now_ms()) {
    if (poll(&readable, 1, (int)left) <= 0 || recv(connection, dropped, sizeof dropped, 0) <= 0) {
      break;
    }
  }
  close(connection);
}

static void greet(int connection, int with_body) {
  struct utsname system;
  if (uname(&system) != 0) {
    strcpy(system.nodename, "unknown");
  }
  struct text body = {.length = 0};
  append(&body, "Hello from a fresh container.\nhostname: ");
  append(&body, system.nodename);
  append(&body, "\npid: ");
  append_number(&body, (size_t)getpid());
  append(&body, "\n");

  struct text reply = {.length = 0};
  append(&reply,
         "HTTP/1.1 200 OK\r\n"
         "Content-Type: text/plain; charset=utf-8\r\n"
         "Connection: close\r\n"
         "Content-Length: ");
  append_number(&reply, body.length);
  append(&reply, "\r\n\r\n");
  if (with_body) {
    append(&reply, body.bytes);
  }
  send_all(connection, reply.bytes, reply.length);
}

static void refuse_head(int connection) {
  static const char reply[] =
      "HTTP/1.1 431 Request Header Fields Too Large\r\n"
      "Connection: close\r\n"
      "Content-Length: 0\r\n\r\n";
  send_all(connection, reply, sizeof reply - 1);
}

int main(void) {
  const char* failed;
  const int connection = receive_socket(&failed);
  if (connection < 0) {
    struct text line = {.length = 0};
    append(&line, "hello: ");
    append(&line, failed);
    append(&line, ": ");
    append(&line, strerror(errno));
    append(&line, "\n");
    const ssize_t ignored = write(STDERR_FILENO, line.bytes, line.length);
    (void)ignored;
    return exit_no_connection;
  }
  char head[max_head_bytes];
  const size_t length = read_head(connection, head);
  if (length == max_head_bytes) {
    refuse_head(connection);
  } else if (length > 0) {
    greet(connection, length < 5 || memcmp(head, "HEAD ", 5) != 0);
  }
  finish(connection);
  return 0;
}
