/* JSON as the test handlers print it: a string with its quotes, a key with its colon. */
#ifndef TESTS_SUPPORT_JSON_TEXT_H
#define TESTS_SUPPORT_JSON_TEXT_H

#include <stdio.h>

/* Bytes above ASCII come out as the code point of the same number, so any name stays valid JSON. */
void write_string(FILE* out, const char* text);
void write_key(FILE* out, const char* key);

#endif
