/* A fork bomb that counts itself. */
#ifndef TESTS_SUPPORT_MISBEHAVE_BOMB_H
#define TESTS_SUPPORT_MISBEHAVE_BOMB_H

/* Forks, parent and child alike, until the kernel refuses; returns in each of them. How many there
 * are then, and in `end` what refused: "EAGAIN", or "no limit". */
int fork_to_the_limit(const char** end);

#endif
