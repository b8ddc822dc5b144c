#include "receive_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int connect_control(void) {
  const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/control.sock"};
  const int control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (control < 0) {
    return -1;
  }
  if (connect(control, (const struct sockaddr*)&address, sizeof address) != 0) {
    const int error = errno;
    close(control);
    errno = error;
    return -1;
  }
  return control;
}

/* The one descriptor of the message, -1 if it carries none. */
static int attached_socket(struct msghdr* message) {
  const struct cmsghdr* header = CMSG_FIRSTHDR(message);
  if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int))) {
    errno = EPROTO;
    return -1;
  }
  int connection;
  memcpy(&connection, CMSG_DATA(header), sizeof connection);
  return connection;
}

int receive_connection(int control) {
  char text[16];
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } ancillary;
  struct iovec part = {.iov_base = text, .iov_len = sizeof text};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = ancillary.bytes,
                           .msg_controllen = sizeof ancillary.bytes};
  ssize_t length;
  do {
    length = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
  } while (length < 0 && errno == EINTR);
  if (length == 0) {
    errno = ECONNRESET;
  }
  return length > 0 ? attached_socket(&message) : -1;
}

int receive_socket(const char** failed) {
  *failed = "connect /control.sock";
  const int control = connect_control();
  if (control < 0) {
    return -1;
  }
  *failed = "receive a connection from /control.sock";
  const int connection = receive_connection(control);
  const int error = errno;
  close(control);
  errno = error;
  return connection;
}
