/* What a handler can have too much of: memory, files, and all that the kernel keeps for it. */
#ifndef TESTS_SUPPORT_MISBEHAVE_HOARD_H
#define TESTS_SUPPORT_MISBEHAVE_HOARD_H

#include <stdbool.h>
#include <stdio.h>

/* False: the kernel gave no more (it rather ends who asks). */
bool touch_memory(long mib);
/* Writes to /tmp/fill: "ok", or the name of the error. */
const char* fill_tmp(long mib);

/* Makes things of a kind and keeps them, until `most` are there or the kernel refuses one more:
 * "N KIND, then ERROR", or "then no limit". False: there is no such kind. */
bool hoard(const char* kind, long most, char* text, size_t size);

/* Does without end what the word says: "forking" (in each process, and what it forked ends soon),
 * "allocating" (one child after another, until the kernel ends it), "filling" (/tmp with bytes and
 * files, and empties it). Returns only if there is no such word. */
void keep(const char* doing);

#endif
