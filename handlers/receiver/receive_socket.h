/* The handler's side of the protocol: connect to /control.sock, receive one connection. The caller
 * owns the descriptors, both close-on-exec; the connection is a blocking TCP socket. -1 on failure,
 * with errno set. No threads, no heap. Source: docs/PROTOCOL.md; unix(7), SCM_RIGHTS. */
#ifndef HANDLERS_RECEIVER_RECEIVE_SOCKET_H
#define HANDLERS_RECEIVER_RECEIVE_SOCKET_H

#ifdef __cplusplus
extern "C" {
#endif

int connect_control(void);
/* Blocks until there is a connection. ECONNRESET: faasd does not need this container any more;
 * EPROTO: the message carries no descriptor. */
int receive_connection(int control);

/* Both; *failed names the step that failed. */
int receive_socket(const char** failed);

#ifdef __cplusplus
}
#endif

#endif
