#define _GNU_SOURCE
#include "misbehave_http.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { drain_ms = 1000 };

void send_all(int connection, const char* bytes, size_t length) {
  while (length > 0) {
    const ssize_t sent = send(connection, bytes, length, MSG_NOSIGNAL);
    if (sent <= 0) {
      return; /* the client left */
    }
    bytes += sent;
    length -= (size_t)sent;
  }
}

void read_head(int connection, struct request* request) {
  memset(request, 0, sizeof *request);
  request->content_length = -1;
  while (request->length < sizeof request->bytes - 1) {
    const ssize_t got = recv(connection, request->bytes + request->length,
                             sizeof request->bytes - 1 - request->length, 0);
    if (got <= 0) {
      break;
    }
    request->length += (size_t)got;
    const char* end = strstr(request->bytes, "\r\n\r\n");
    if (end != NULL) {
      request->body_at = (size_t)(end - request->bytes) + 4;
      const char* header = strcasestr(request->bytes, "\r\ncontent-length:");
      if (header != NULL && header < end) {
        request->content_length = strtoll(header + strlen("\r\ncontent-length:"), NULL, 10);
      }
      break;
    }
  }
}

void reply(int connection, const char* type, const char* body, size_t length) {
  char head[256];
  const int head_length = snprintf(head, sizeof head,
                                   "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                                   "Connection: close\r\n\r\n",
                                   type, length);
  send_all(connection, head, (size_t)head_length);
  send_all(connection, body, length);
}

void finish(int connection) {
  shutdown(connection, SHUT_WR);
  struct pollfd readable = {.fd = connection, .events = POLLIN};
  char dropped[4096];
  while (poll(&readable, 1, drain_ms) > 0 && recv(connection, dropped, sizeof dropped, 0) > 0) {
  }
  close(connection);
}
