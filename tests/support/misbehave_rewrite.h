/* The container's side of CVE-2019-5736: writing to the program that the runtime is. */
#ifndef TESTS_SUPPORT_MISBEHAVE_REWRITE_H
#define TESTS_SUPPORT_MISBEHAVE_REWRITE_H

/* Tries it by every name that a process of the container has for it, and by descriptor `kept` if
 * that is above 2 (what a program that was the runtime left open). A line to stderr for each. */
void rewrite_runtime(int kept);

#endif
