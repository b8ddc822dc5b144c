/* faas-receive [--fd N | --node] PROGRAM [ARGUMENT...]
 * Waits for the connection and becomes PROGRAM, which has it as standard input and output, as under
 * inetd, or as descriptor N. With --node it starts PROGRAM first: node_channel.h. For languages
 * that cannot receive a descriptor by themselves. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node_channel.h"
#include "receive_socket.h"

enum {
  exit_usage = 2,
  exit_no_connection = 111,
  exit_cannot_exec = 126,
  exit_not_found = 127,
  max_fd = 1023, /* below every usual RLIMIT_NOFILE */
};

static void say(const char* text) {
  const ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
  (void)ignored; /* a log that is gone is no reason to drop the client */
}

static int fail(const char* what, int exit_code) {
  const char* reason = strerror(errno);
  say("faas-receive: ");
  say(what);
  say(": ");
  say(reason);
  say("\n");
  return exit_code;
}

static int usage(void) {
  say("usage: faas-receive [--fd N | --node] PROGRAM [ARGUMENT...]\n"
      "PROGRAM gets the connection as standard input and output, or as descriptor N (3 to 1023);\n"
      "with --node it is started at once, and gets it by the channel of child_process.fork().\n");
  return exit_usage;
}

/* PROGRAM inherits the copy alone: the original is close-on-exec. */
static int pass_as(int connection, int target) {
  return connection == target ? fcntl(target, F_SETFD, 0) : dup2(connection, target);
}

int main(int argc, char** argv) {
  int target = -1;
  int first = 1;
  if (argc > 2 && strcmp(argv[1], "--fd") == 0) {
    char* end;
    errno = 0;
    const long number = strtol(argv[2], &end, 10);
    if (errno != 0 || *end != '\0' || number < 3 || number > max_fd) {
      return usage();
    }
    target = (int)number;
    first = 3;
  }
  const bool node = argc > 2 && strcmp(argv[1], "--node") == 0;
  if (node) {
    first = 2;
  }
  if (first >= argc || argv[first][0] == '-') {
    return usage();
  }
  const char* failed;
  if (node) {
    const int status = serve_by_node(argv + first, &failed);
    return status < 0 ? fail(failed, exit_no_connection) : status;
  }
  const int connection = receive_socket(&failed);
  if (connection < 0) {
    return fail(failed, exit_no_connection);
  }
  const int passed = target >= 0                             ? pass_as(connection, target)
                     : pass_as(connection, STDIN_FILENO) < 0 ? -1
                                                             : pass_as(connection, STDOUT_FILENO);
  if (passed < 0) {
    return fail("pass the connection on", exit_no_connection);
  }
  execvp(argv[first], argv + first);
  return fail(argv[first], errno == ENOENT ? exit_not_found : exit_cannot_exec);
}
