#define _GNU_SOURCE
#include "node_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "receive_socket.h"

enum { channel_fd = 3, exit_cannot_exec = 126, exit_not_found = 127, after_signal = 128 };

static pid_t start(char** program, int channel) {
  const pid_t child = fork();
  if (child != 0) {
    return child;
  }
  const bool in_place = channel == channel_fd && fcntl(channel, F_SETFD, 0) == 0;
  if ((in_place || dup2(channel, channel_fd) == channel_fd) &&
      setenv("NODE_CHANNEL_FD", "3", 1) == 0 &&
      setenv("NODE_CHANNEL_SERIALIZATION_MODE", "json", 1) == 0) {
    execvp(program[0], program);
  }
  _exit(errno == ENOENT ? exit_not_found : exit_cannot_exec);
}

/* The first message is a line of JSON, whatever it says. False: the program has ended. */
static bool wait_until_ready(int channel) {
  char byte = 0;
  while (byte != '\n') {
    const ssize_t count = read(channel, &byte, 1);
    if (count == 0 || (count < 0 && errno != EINTR)) {
      return false;
    }
  }
  return true;
}

/* False: the program has ended, and nobody would use a connection. */
static bool wait_for_message(int control, int channel) {
  struct pollfd both[] = {{.fd = control, .events = POLLIN}, {.fd = channel}};
  while (poll(both, 2, -1) < 0) {
    if (errno != EINTR) {
      return false;
    }
  }
  return both[0].revents != 0;
}

static bool send_connection(int channel, int connection) {
  static const char message[] =
      "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\",\"msg\":\"connection\"}\n";
  struct iovec data = {.iov_base = (void*)message, .iov_len = sizeof message - 1};
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof connection)] = {0};
  struct msghdr header = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* const rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof connection);
  memcpy(CMSG_DATA(rights), &connection, sizeof connection);
  return sendmsg(channel, &header, MSG_NOSIGNAL) == (ssize_t)data.iov_len;
}

/* Takes the exits of others as well: this is process 1. */
static int exit_of(pid_t child) {
  for (;;) {
    int status = 0;
    const pid_t ended = waitpid(-1, &status, 0);
    if (ended == child) {
      return WIFSIGNALED(status) ? after_signal + WTERMSIG(status) : WEXITSTATUS(status);
    }
    if (ended < 0 && errno != EINTR) {
      return exit_not_found;
    }
  }
}

int serve_by_node(char** program, const char** failed) {
  int channel[2];
  *failed = "make a channel for the program";
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0) {
    return -1;
  }
  const pid_t child = start(program, channel[1]);
  if (child < 0) {
    return -1;
  }
  close(channel[1]);
  if (!wait_until_ready(channel[0])) {
    return exit_of(child);
  }
  const int control = connect_control();
  *failed = "connect /control.sock";
  if (control < 0) {
    return -1;
  }
  if (!wait_for_message(control, channel[0])) {
    return exit_of(child);
  }
  const int connection = receive_connection(control);
  *failed = "receive a connection";
  if (connection < 0) {
    return -1;
  }
  /* Only the program's copy stays, so that the client sees its close. */
  const bool sent = send_connection(channel[0], connection);
  close(connection);
  close(control);
  *failed = "send the connection to the program";
  return sent ? exit_of(child) : -1;
}
