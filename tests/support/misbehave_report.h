/* What a handler sees from inside its container, as one JSON object; for the posture tests. */
#ifndef TESTS_SUPPORT_MISBEHAVE_REPORT_H
#define TESTS_SUPPORT_MISBEHAVE_REPORT_H

#include <stdio.h>

void write_report(FILE* out, int argc, char** argv);

#endif
