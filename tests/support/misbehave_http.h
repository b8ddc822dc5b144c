/* Just enough HTTP for a test handler to read one request and answer it. */
#ifndef TESTS_SUPPORT_MISBEHAVE_HTTP_H
#define TESTS_SUPPORT_MISBEHAVE_HTTP_H

#include <stddef.h>

/* A request: its head is read, and what came of the body with it. */
struct request {
  char bytes[16 * 1024];
  size_t body_at;
  size_t length;
  long long content_length; /* -1: up to the end of the stream */
};

/* Gives up quietly when the client has left. */
void send_all(int connection, const char* bytes, size_t length);
void read_head(int connection, struct request* request);
/* 200, with Connection: close. */
void reply(int connection, const char* type, const char* body, size_t length);
/* Ends the reply, reads what the client still sends and closes: a close with unread bytes would
 * reset the connection and might lose the reply. */
void finish(int connection);

#endif
