/* What connect(2) takes, seen by the handler that waits for it. */
#ifndef TESTS_SUPPORT_MISBEHAVE_CONNECTS_H
#define TESTS_SUPPORT_MISBEHAVE_CONNECTS_H

/* The median of `number` (at most 64) connects to a Unix server of its own, in microseconds; -1 if
 * one failed. */
double median_connect_us(long number);

#endif
