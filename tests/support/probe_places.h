/* What a handler finds in its file system and on its network: paths that leak or change the host's
 * state, devices, ways out of the root, addresses. Results are words: "ok", the name of an error,
 * or what the function says. */
#ifndef TESTS_SUPPORT_PROBE_PLACES_H
#define TESTS_SUPPORT_PROBE_PLACES_H

#include <stdio.h>

/* "reads":{PATH:"empty" | "not empty" | error},"writes":{PATH:"ok" | error} */
void write_files(FILE* out);
/* "device_nodes":{NAME:"c 1:3 rw"} of /dev itself. */
void write_devices(FILE* out);
/* "ways_out":{PATH:"root" | "elsewhere" | error}: where paths with many ".." end. */
void write_ways_out(FILE* out);
/* "targets":{TARGET:"ok" | error}, each "tcp:ADDRESS:PORT", "udp:ADDRESS:PORT", "unix:PATH" or
 * "unix:@NAME"; an ADDRESS may be of either family. "bind:PATH" makes a Unix socket, and
 * "link:PATH=TARGET" a link, for targets behind it; "hang:" is where it stays. */
void write_targets(FILE* out, char** targets);

#endif
