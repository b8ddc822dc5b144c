#include "freezing.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handlers/receiver/receive_socket.h"

enum { code_bytes = 0x10000 };

/* Of glibc. */
extern void* __curbrk;

void (*after_snapshot)(void);

static void freeze(int snapshot) {
  void* const code = mmap(NULL, code_bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE, snapshot, 0);
  int (*call)(int, long, void**);
  memcpy(&call, &code, sizeof call);
  const int result = call(snapshot, (long)__rseq_offset, &__curbrk);
  if (result != 1) {
    _exit(result == 0 ? 0 : exit_frozen);
  }
  if (after_snapshot != NULL) {
    after_snapshot();
  }
}

static int is_snapshot(int control) {
  static const char word[] = "SNAPSHOT";
  char text[sizeof word] = "";
  recv(control, text, sizeof word - 1, MSG_PEEK);
  return strcmp(text, word) == 0;
}

int receive_socket_or_freeze(const char** failed) {
  for (;;) {
    *failed = "connect /control.sock";
    const int control = connect_control();
    if (control < 0) {
      return -1;
    }
    *failed = "receive a connection from /control.sock";
    const int asked = is_snapshot(control);
    const int given = receive_connection(control);
    const int error = errno;
    close(control);
    errno = error;
    if (!asked || given < 0) {
      return given;
    }
    freeze(given);
  }
}
