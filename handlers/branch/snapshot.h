/* What the containers of a branched function start from, instead of their program: the memory of
 * one handler, as it was when it had nothing left to do but to ask for its connection. A file in
 * memory, which faasd gives to a handler to be written (freeze.c) and then to each container to be
 * mapped, privately, so that pages are copied when they are written to (restore.c). Both run with a
 * container's rights and no other; to faasd it is bytes. docs/BRANCHES.md. */
#ifndef HANDLERS_BRANCH_SNAPSHOT_H
#define HANDLERS_BRANCH_SNAPSHOT_H

#include <stdint.h>

/* Where restore.c finds the file. */
#define SNAPSHOT_FD 3
/* freeze.c comes first in it, then this. */
#define SNAPSHOT_AT 0x10000

#define SNAPSHOT_AREAS 2000
#define SNAPSHOT_SPECIALS 8
#define SNAPSHOT_NAMES 0x10000
#define SNAPSHOT_SIGNALS 64
#define SNAPSHOT_VERDICT 256
#define SNAPSHOT_READY "ready"

/* restore.c lies here, below all that other programs are linked to. */
#define RESTORER_START 0x100000
#define RESTORER_END 0x140000
/* And what it maps for itself: far from where the kernel puts libraries, heaps and stacks. */
#define RESTORER_ROOM_START 0x200000000000
#define RESTORER_ROOM_END 0x201000000000

/* One mapping of memory. */
enum snapshot_kind {
  SNAPSHOT_EMPTY, /* never written to */
  SNAPSHOT_WIPED, /* what no copy of the process is to have: madvise(2), MADV_WIPEONFORK */
  SNAPSHOT_PAGES, /* what is at `offset` of the snapshot */
  SNAPSHOT_FILE,  /* what is at `offset` of the file `name`, of the image */
};
struct snapshot_area {
  uint64_t start;
  uint64_t end;
  uint64_t offset;
  uint32_t name; /* in `names` */
  uint8_t kind;
  uint8_t prot;
  uint8_t shared;
};

/* The kernel's code in the process: it has its own place in each, and is moved. */
struct snapshot_special {
  uint64_t start;
  uint64_t end;
};

/* rt_sigaction(2), as the kernel has it. */
struct snapshot_signal {
  uint64_t handler;
  uint64_t flags;
  uint64_t restorer;
  uint64_t mask;
};

struct snapshot {
  char verdict[SNAPSHOT_VERDICT]; /* SNAPSHOT_READY, or why it could not be made */
  uint64_t code;                  /* where it goes on, */
  uint64_t stack;                 /* with this stack */
  uint64_t thread;                /* FS */
  uint64_t vdso;                  /* AT_SYSINFO_EHDR */
  uint64_t signal_mask;
  uint64_t signal_stack[3]; /* stack_t */
  uint32_t umask;
  uint32_t area_count;
  uint32_t special_count;
  uint32_t names_used;
  char command[16]; /* PR_GET_NAME */
  char directory[4096];
  struct snapshot_signal signals[SNAPSHOT_SIGNALS];
  struct snapshot_special specials[SNAPSHOT_SPECIALS];
  struct snapshot_area areas[SNAPSHOT_AREAS];
  char names[SNAPSHOT_NAMES];
};

#endif
