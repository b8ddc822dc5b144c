#define _GNU_SOURCE
#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/prctl.h>

#include "handlers/branch/freezing.h"

struct entry {
  uint64_t inode;
  int64_t offset;
  uint16_t size;
  uint8_t type;
  char name[];
};

/* How many names a directory has but "." and ".."; `other` is the last one that is a number above
 * 2 and neither `own` nor that of the directory itself. */
static long names_in(struct work* work, const char* path, long own, long* other) {
  const int directory = open_proc(path, O_DIRECTORY);
  if (directory < 0) return directory;
  long names = 0;
  long got;
  while ((got = kernel3(SYS_getdents64, directory, (long)work->reader.bytes,
                        sizeof work->reader.bytes)) > 0) {
    for (long at = 0; at < got;) {
      const struct entry* entry = (const struct entry*)(work->reader.bytes + at);
      at += entry->size;
      if (entry->name[0] == '.') continue;
      ++names;
      const char* text = entry->name;
      const long number = (long)number_of(&text, 10);
      if (number > 2 && number != own && number != directory) *other = number;
    }
  }
  kernel1(SYS_close, directory);
  return got < 0 ? got : names;
}

static int check_threads(struct work* work) {
  long unused = 0;
  const long threads = names_in(work, "/proc/self/task", 0, &unused);
  if (threads < 0) return refuse_number(work, "/proc/self/task: error ", threads, "");
  if (threads > 1) {
    return refuse_number(work, "it has ", threads,
                         " threads before its first connection; it can have one");
  }
  const int children = open_proc("/proc/thread-self/children", 0);
  if (children < 0) return 0; /* a kernel without this file */
  char first;
  const long got = kernel3(SYS_read, children, (long)&first, 1);
  kernel1(SYS_close, children);
  if (got > 0) return refuse(work, "it has started processes before its first connection", "");
  return 0;
}

static int check_files(struct work* work) {
  long open = -1;
  const long files = names_in(work, "/proc/self/fd", work->file, &open);
  if (files < 0) return refuse_number(work, "/proc/self/fd: error ", files, "");
  if (open < 0) return 0;
  char path[32] = "/proc/self/fd/";
  char digits[8];
  size_t first = sizeof digits;
  size_t at = length_of(path);
  for (long left = open; first > 0 && (left > 0 || first == sizeof digits); left /= 10) {
    digits[--first] = (char)('0' + left % 10);
  }
  while (first < sizeof digits) path[at++] = digits[first++];
  path[at] = '\0';
  long length = kernel3(SYS_readlink, (long)path, (long)work->line, LINE - 1);
  if (length < 0) length = 0;
  work->line[length] = '\0';
  return refuse(work, "it has a file or socket open before its first connection: ", work->line);
}

static void note_signals(struct snapshot* snapshot) {
  for (int signal = 1; signal <= SNAPSHOT_SIGNALS; ++signal) {
    kernel4(SYS_rt_sigaction, signal, 0, (long)&snapshot->signals[signal - 1], sizeof(uint64_t));
  }
  kernel4(SYS_rt_sigprocmask, 0, 0, (long)&snapshot->signal_mask, sizeof snapshot->signal_mask);
  kernel2(SYS_sigaltstack, 0, (long)snapshot->signal_stack);
}

int note_process(struct work* work) {
  struct snapshot* snapshot = &work->snapshot;
  struct statx root = {0};
  const long found = kernel(SYS_statx, AT_FDCWD, (long)"/", 0, STATX_INO, (long)&root, 0);
  if (found < 0) return refuse_number(work, "statx /: error ", found, "");
  work->root_device = device_of(root.stx_dev_major, root.stx_dev_minor);
  const long length = kernel2(SYS_getcwd, (long)snapshot->directory, sizeof snapshot->directory);
  if (length < 0) return refuse_number(work, "getcwd: error ", length, "");
  snapshot->umask = (uint32_t)kernel1(SYS_umask, 077);
  kernel1(SYS_umask, snapshot->umask);
  kernel2(SYS_prctl, PR_GET_NAME, (long)snapshot->command);
  kernel2(SYS_arch_prctl, ARCH_GET_FS, (long)&snapshot->thread);
  note_signals(snapshot);
  return 0;
}

int check_process(struct work* work) {
  return check_threads(work) != 0 || check_files(work) != 0 ? -1 : 0;
}
