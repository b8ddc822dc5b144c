#include "json_text.h"

void write_string(FILE* out, const char* text) {
  putc('"', out);
  for (const unsigned char* at = (const unsigned char*)text; *at != '\0'; ++at) {
    if (*at == '"' || *at == '\\') {
      fprintf(out, "\\%c", *at);
    } else if (*at < 0x20 || *at >= 0x7f) {
      fprintf(out, "\\u%04x", *at);
    } else {
      putc(*at, out);
    }
  }
  putc('"', out);
}

void write_key(FILE* out, const char* key) {
  write_string(out, key);
  putc(':', out);
}
