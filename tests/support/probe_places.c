#define _GNU_SOURCE
#include "probe_places.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "json_text.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* What Docker masks and makes read-only, and what would let a process act on the host. */
static const char* const read_paths[] = {
    "/proc/acpi",        "/proc/asound",  "/proc/interrupts",
    "/proc/kcore",       "/proc/keys",    "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi",    "/proc/timer_list",
    "/proc/timer_stats", "/sys/firmware", "/sys/devices/virtual/powercap",
    "/dev/mem",          "/dev/kmsg",     "/dev/fuse",
    "/dev/kvm",          "/dev/net/tun",  "/sys/kernel/security",
};
static const char* const write_paths[] = {
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/hostname",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/sysrq-trigger",
    "/proc/irq/default_smp_affinity",
    "/proc/bus/pci/devices",
    "/proc/self/oom_score_adj",
    "/sys/kernel/uevent_helper",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/fs/cgroup/release_agent",
    "/sys/fs/cgroup/memory/release_agent",
    "/sys/fs/cgroup/cgroup.procs",
    "/sys/power/state",
    "/etc/passwd",
};

static const char* result_of(int returned) {
  return returned < 0 ? strerrorname_np(errno) : "ok";
}

static void write_result(FILE* out, int* first, const char* key, const char* result) {
  if (!*first) {
    putc(',', out);
  }
  *first = 0;
  write_key(out, key);
  write_string(out, result);
}

static const char* read_directory(const char* path) {
  DIR* directory = opendir(path);
  if (directory == NULL) {
    return strerrorname_np(errno);
  }
  int entries = 0;
  while (readdir(directory) != NULL) {
    ++entries;
  }
  closedir(directory);
  return entries <= 2 ? "empty" : "not empty";
}

static const char* read_path(const char* path) {
  struct stat found;
  if (stat(path, &found) != 0) {
    return strerrorname_np(errno);
  }
  if (S_ISDIR(found.st_mode)) {
    return read_directory(path);
  }
  const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    return strerrorname_np(errno);
  }
  char byte;
  const ssize_t got = read(fd, &byte, 1);
  const char* result = got < 0 ? strerrorname_np(errno) : got == 0 ? "empty" : "not empty";
  close(fd);
  return result;
}

static const char* open_for_writing(const char* path) {
  const int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  const char* result = result_of(fd);
  if (fd >= 0) {
    close(fd);
  }
  return result;
}

void write_files(FILE* out) {
  int first = 1;
  fputs("\"reads\":{", out);
  for (size_t i = 0; i < COUNT(read_paths); ++i) {
    write_result(out, &first, read_paths[i], read_path(read_paths[i]));
  }
  first = 1;
  fputs("},\"writes\":{", out);
  for (size_t i = 0; i < COUNT(write_paths); ++i) {
    write_result(out, &first, write_paths[i], open_for_writing(write_paths[i]));
  }
  fputs("},", out);
}

void write_devices(FILE* out) {
  int first = 1;
  fputs("\"device_nodes\":{", out);
  DIR* directory = opendir("/dev");
  const struct dirent* entry;
  while (directory != NULL && (entry = readdir(directory)) != NULL) {
    struct stat found;
    if (fstatat(dirfd(directory), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0 ||
        !(S_ISCHR(found.st_mode) || S_ISBLK(found.st_mode))) {
      continue;
    }
    char text[64];
    snprintf(text, sizeof text, "%c %u:%u", S_ISCHR(found.st_mode) ? 'c' : 'b',
             major(found.st_rdev), minor(found.st_rdev));
    write_result(out, &first, entry->d_name, text);
  }
  if (directory != NULL) {
    closedir(directory);
  }
  fputs("},", out);
}

static const char* end_of(const char* path) {
  struct stat root;
  struct stat found;
  if (stat("/", &root) != 0 || stat(path, &found) != 0) {
    return strerrorname_np(errno);
  }
  return root.st_dev == found.st_dev && root.st_ino == found.st_ino ? "root" : "elsewhere";
}

void write_ways_out(FILE* out) {
  static const char up[] = "/../../../../../../../../../../../..";
  int first = 1;
  char path[256];
  fputs("\"ways_out\":{", out);
  static const char* const starts[] = {
      "",     "/proc/self/cwd", "/proc/self/root", "/proc/1/root", "/proc/1/cwd", "/control.sock",
      "/tmp", "/dev/pts"};
  for (size_t i = 0; i < COUNT(starts); ++i) {
    snprintf(path, sizeof path, "%s%s", starts[i], up);
    write_result(out, &first, path, end_of(path));
  }
  /* More than the handler has: one that the runtime forgot would be among them. */
  for (int fd = 0; fd < 64; ++fd) {
    snprintf(path, sizeof path, "/proc/self/fd/%d%s", fd, up);
    write_result(out, &first, path, end_of(path));
  }
  fputs("},", out);
}

enum unix_call { CONNECT, BIND };

static const char* call_unix(enum unix_call call, const char* name) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const size_t length = strlen(name);
  if (length >= sizeof address.sun_path) {
    return "ENAMETOOLONG";
  }
  memcpy(address.sun_path, name, length + 1);
  socklen_t size = sizeof address;
  if (name[0] == '@') { /* an abstract name is as long as its address says */
    address.sun_path[0] = '\0';
    size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const struct sockaddr* to = (const struct sockaddr*)&address;
  const char* result = result_of(call == BIND ? bind(fd, to, size) : connect(fd, to, size));
  close(fd);
  return result;
}

/* "PATH=WHERE IT POINTS" */
static const char* make_link(const char* text) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s", text);
  char* end = strchr(path, '=');
  if (end == NULL) {
    return "no link";
  }
  *end = '\0';
  return result_of(symlink(end + 1, path));
}

/* "ADDRESS:PORT"; 0 if it is neither family's. */
static socklen_t parse_address(const char* text, struct sockaddr_storage* address) {
  char host[INET6_ADDRSTRLEN + 1] = {0};
  const char* colon = strrchr(text, ':');
  if (colon == NULL || (size_t)(colon - text) >= sizeof host) {
    return 0;
  }
  memcpy(host, text, (size_t)(colon - text));
  const in_port_t port = htons((in_port_t)strtoul(colon + 1, NULL, 10));
  struct sockaddr_in* four = (struct sockaddr_in*)address;
  struct sockaddr_in6* six = (struct sockaddr_in6*)address;
  memset(address, 0, sizeof *address);
  if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = port;
    return sizeof *four;
  }
  if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = port;
    return sizeof *six;
  }
  return 0;
}

static const char* reach_inet(const char* text, int type) {
  struct sockaddr_storage address;
  const socklen_t size = parse_address(text, &address);
  if (size == 0) {
    return "no address";
  }
  const int fd = socket(address.ss_family, type | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return strerrorname_np(errno);
  }
  const struct sockaddr* to = (const struct sockaddr*)&address;
  const char* result = type == SOCK_STREAM
                           ? result_of(connect(fd, to, size))
                           : result_of((int)sendto(fd, "probe", 5, MSG_NOSIGNAL, to, size));
  close(fd);
  return result;
}

static const char* reach(const char* target) {
  if (strncmp(target, "unix:", 5) == 0) {
    return call_unix(CONNECT, target + 5);
  }
  if (strncmp(target, "bind:", 5) == 0) {
    return call_unix(BIND, target + 5);
  }
  if (strncmp(target, "link:", 5) == 0) {
    return make_link(target + 5);
  }
  if (strncmp(target, "hang:", 5) == 0) {
    pause();
  }
  if (strncmp(target, "tcp:", 4) == 0) {
    return reach_inet(target + 4, SOCK_STREAM);
  }
  return strncmp(target, "udp:", 4) == 0 ? reach_inet(target + 4, SOCK_DGRAM) : "no target";
}

void write_targets(FILE* out, char** targets) {
  int first = 1;
  fputs("\"targets\":{", out);
  for (size_t i = 0; targets[i] != NULL; ++i) {
    write_result(out, &first, targets[i], reach(targets[i]));
  }
  fputs("},", out);
}
