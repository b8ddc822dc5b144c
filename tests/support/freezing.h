/* The handler's side of the protocol with what a branched function asks for besides: a test handler
 * that takes its connection by this can be deployed with --mode branched. docs/PROTOCOL.md. */
#ifndef TESTS_SUPPORT_FREEZING_H
#define TESTS_SUPPORT_FREEZING_H

/* As receive_socket. Where faasd asks for a snapshot, this process ends with it, with `exit_frozen`
 * if it could not be made, and this returns in the containers that begin from it. */
int receive_socket_or_freeze(const char** failed);

enum { exit_frozen = 7 };

/* Set before: what is called first in a container that begins from a snapshot. */
extern void (*after_snapshot)(void);

#endif
