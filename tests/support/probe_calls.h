/* System calls that a container must not have, each tried in a process of its own (some kill, and
 * one that works must not change what is tried next). Results are words: "ok", the name of an
 * error, "killed". */
#ifndef TESTS_SUPPORT_PROBE_CALLS_H
#define TESTS_SUPPORT_PROBE_CALLS_H

#include <stdio.h>

/* Members of an object, each {NAME:RESULT,…}: "mount_calls", "sockets" and so on. */
void write_calls(FILE* out);

#endif
