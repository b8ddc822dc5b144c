/* The handler's side of the protocol, in one call: connect to /control.sock, receive one
 * connection. The caller owns the descriptor, a blocking TCP socket that is close-on-exec. No
 * threads, no heap. Source: docs/PROTOCOL.md; unix(7), SCM_RIGHTS. */
#ifndef HANDLERS_RECEIVER_RECEIVE_SOCKET_H
#define HANDLERS_RECEIVER_RECEIVE_SOCKET_H

/* -1 on failure, with errno set; *failed then names the step. */
int receive_socket(const char** failed);

#endif
