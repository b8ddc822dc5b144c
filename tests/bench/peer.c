// What others would do for each connection, for tests/bench: peer PORT [COMMAND…] listens on
// 127.0.0.1 and answers every connection itself; with a command, a child that executes it has the
// connection as descriptor 0. `peer answer` is such a command.
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char kReply[] =
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";

// Reads the request to its empty line.
static void answer(int fd) {
  char request[4096];
  size_t size = 0;
  while (size < sizeof request - 1) {
    const ssize_t count = read(fd, request + size, sizeof request - 1 - size);
    if (count <= 0) return;
    size += (size_t)count;
    request[size] = '\0';
    if (strstr(request, "\r\n\r\n") != NULL) break;
  }
  if (write(fd, kReply, sizeof kReply - 1) < 0) perror("write");
}

static int listen_on(const char* port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_port = htons((unsigned short)atoi(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      bind(fd, (const struct sockaddr*)&address, sizeof address) != 0 || listen(fd, 512) != 0) {
    perror("listen");
    exit(1);
  }
  return fd;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  if (strcmp(argv[1], "answer") == 0) {
    answer(STDIN_FILENO);
    return 0;
  }
  // Children are nobody's to wait for; theirs are theirs, which SIG_IGN would take from them.
  const struct sigaction no_zombies = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
  sigaction(SIGCHLD, &no_zombies, NULL);
  const int listener = listen_on(argv[1]);
  puts("ready");
  fflush(stdout);
  for (;;) {
    const int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) continue;
    if (argc == 2) {
      answer(client);
    } else if (fork() == 0) {
      dup2(client, STDIN_FILENO);
      execvp(argv[2], argv + 2);
      perror(argv[2]);
      _exit(1);
    }
    close(client);
  }
}
