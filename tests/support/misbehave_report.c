#define _GNU_SOURCE
#include "misbehave_report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json_text.h"

extern char** environ;

static void write_text(FILE* out, const char* key, const char* text) {
  write_key(out, key);
  write_string(out, text);
  putc(',', out);
}

static void write_strings(FILE* out, const char* key, char** strings) {
  write_key(out, key);
  putc('[', out);
  for (size_t i = 0; strings[i] != NULL; ++i) {
    if (i > 0) {
      putc(',', out);
    }
    write_string(out, strings[i]);
  }
  fputs("],", out);
}

/* The file's lines; null and the reason as `KEY_error` if it cannot be opened. */
static void write_lines(FILE* out, const char* key, const char* path) {
  FILE* file = fopen(path, "re");
  if (file == NULL) {
    fprintf(out, "\"%s\":null,\"%s_error\":\"%s\",", key, key, strerrorname_np(errno));
    return;
  }
  write_key(out, key);
  putc('[', out);
  char* line = NULL;
  size_t capacity = 0;
  for (int first = 1; getline(&line, &capacity, file) >= 0; first = 0) {
    line[strcspn(line, "\n")] = '\0';
    if (!first) {
      putc(',', out);
    }
    write_string(out, line);
  }
  free(line);
  fclose(file);
  fputs("],", out);
}

/* /proc/self/status as an object: "CapEff", "NoNewPrivs", "Seccomp" and all the others. */
static void write_status(FILE* out) {
  FILE* file = fopen("/proc/self/status", "re");
  fputs("\"status\":{", out);
  char* line = NULL;
  size_t capacity = 0;
  for (int first = 1; file != NULL && getline(&line, &capacity, file) >= 0; first = 0) {
    line[strcspn(line, "\n")] = '\0';
    char* value = strchr(line, ':');
    if (value == NULL) {
      continue;
    }
    *value++ = '\0';
    if (!first) {
      putc(',', out);
    }
    write_key(out, line);
    write_string(out, value + strspn(value, "\t "));
  }
  free(line);
  if (file != NULL) {
    fclose(file);
  }
  fputs("},", out);
}

/* Every link of a directory and where it points: /proc/self/fd, /proc/self/ns. */
static void write_links(FILE* out, const char* key, const char* path) {
  write_key(out, key);
  putc('{', out);
  DIR* directory = opendir(path);
  const struct dirent* entry;
  for (int first = 1; directory != NULL && (entry = readdir(directory)) != NULL;) {
    char target[4096];
    const ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
    const int own = strtol(entry->d_name, NULL, 10) == dirfd(directory);
    if (length < 0 || (own && strcmp(key, "fds") == 0)) {
      continue; /* "." and "..", and the descriptor that reads this list */
    }
    target[length] = '\0';
    if (!first) {
      putc(',', out);
    }
    first = 0;
    write_key(out, entry->d_name);
    write_string(out, target);
  }
  if (directory != NULL) {
    closedir(directory);
  }
  fputs("},", out);
}

static void write_names(FILE* out, const char* key, const char* path) {
  write_key(out, key);
  putc('[', out);
  DIR* directory = opendir(path);
  const struct dirent* entry;
  for (int first = 1; directory != NULL && (entry = readdir(directory)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
      continue;
    }
    if (!first) {
      putc(',', out);
    }
    first = 0;
    write_string(out, entry->d_name);
  }
  if (directory != NULL) {
    closedir(directory);
  }
  fputs("],", out);
}

/* "ok" or the name of the error; what was created is removed again. */
static const char* try_to_create(const char* directory) {
  char path[256];
  snprintf(path, sizeof path, "%s/.misbehave", directory);
  const int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) {
    return strerrorname_np(errno);
  }
  close(fd);
  unlink(path);
  return "ok";
}

static const char* try_to_open(const char* path) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    return strerrorname_np(errno);
  }
  close(fd);
  return "ok";
}

static void write_attempts(FILE* out) {
  static const char* const directories[] = {"/",     "/tmp", "/dev/shm", "/dev",
                                            "/proc", "/sys", "/etc",     "."};
  static const char* const files[] = {"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
                                      "/proc/sys/kernel/hostname"};
  fputs("\"create\":{", out);
  for (size_t i = 0; i < sizeof directories / sizeof *directories; ++i) {
    fprintf(out, "%s\"%s\":\"%s\"", i > 0 ? "," : "", directories[i],
            try_to_create(directories[i]));
  }
  fputs("},\"open_for_writing\":{", out);
  for (size_t i = 0; i < sizeof files / sizeof *files; ++i) {
    fprintf(out, "%s\"%s\":\"%s\"", i > 0 ? "," : "", files[i], try_to_open(files[i]));
  }
  fputs("},", out);
}

/* Who the files in /owned belong to, and whether they can be read. */
static void write_owned(FILE* out) {
  fputs("\"owned\":{", out);
  DIR* directory = opendir("/owned");
  const struct dirent* entry;
  for (int first = 1; directory != NULL && (entry = readdir(directory)) != NULL;) {
    struct stat file;
    if (fstatat(dirfd(directory), entry->d_name, &file, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(file.st_mode)) {
      continue;
    }
    const int fd = openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC);
    fprintf(out, "%s\"%s\":[%u,%u,\"%s\"]", first ? "" : ",", entry->d_name, file.st_uid,
            file.st_gid, fd < 0 ? strerrorname_np(errno) : "ok");
    first = 0;
    if (fd >= 0) {
      close(fd);
    }
  }
  if (directory != NULL) {
    closedir(directory);
  }
  fputs("},", out);
}

static void write_identity(FILE* out) {
  fprintf(out, "\"pid\":%d,\"ppid\":%d,\"uid\":%u,\"euid\":%u,\"gid\":%u,\"egid\":%u,\"groups\":[",
          getpid(), getppid(), getuid(), geteuid(), getgid(), getegid());
  gid_t groups[256];
  const int count = getgroups(sizeof groups / sizeof *groups, groups);
  for (int i = 0; i < count; ++i) {
    fprintf(out, "%s%u", i > 0 ? "," : "", groups[i]);
  }
  fputs("],", out);
  char text[4096];
  if (gethostname(text, sizeof text) == 0) {
    write_text(out, "hostname", text);
  }
  if (getcwd(text, sizeof text) != NULL) {
    write_text(out, "cwd", text);
  }
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    fprintf(out, "\"nofile\":[%llu,%llu],", (unsigned long long)files.rlim_cur,
            (unsigned long long)files.rlim_max);
  }
  const mode_t mask = umask(0);
  umask(mask);
  fprintf(out, "\"umask\":%u,", mask);
}

void write_report(FILE* out, int argc, char** argv) {
  putc('{', out);
  write_identity(out);
  write_strings(out, "argv", argv);
  write_strings(out, "env", environ);
  write_status(out);
  write_lines(out, "uid_map", "/proc/self/uid_map");
  write_lines(out, "gid_map", "/proc/self/gid_map");
  write_owned(out);
  write_text(out, "reopen_stderr", try_to_open("/proc/self/fd/2"));
  write_links(out, "fds", "/proc/self/fd");
  write_links(out, "namespaces", "/proc/self/ns");
  write_lines(out, "mountinfo", "/proc/self/mountinfo");
  write_lines(out, "cgroup", "/proc/self/cgroup");
  write_lines(out, "uid_map", "/proc/self/uid_map");
  write_lines(out, "gid_map", "/proc/self/gid_map");
  write_lines(out, "limits", "/proc/self/limits");
  write_names(out, "network_interfaces", "/sys/class/net");
  write_lines(out, "network_devices", "/proc/net/dev");
  write_names(out, "root", "/");
  write_names(out, "devices", "/dev");
  write_attempts(out);
  fprintf(out, "\"argc\":%d}\n", argc);
}
